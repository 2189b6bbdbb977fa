/** Steps of builds that may be used again: implements build/ports.ts. */
import type { Kysely } from 'kysely'
import type { BuildRecords, BuildStep } from '../build/ports.ts'
import type { Database, ProjectTables } from './database.ts'

type BuildTables = {
  build_steps: {
    project: string
    parent: string
    key: string
    image_id: string
    description: string
    created_at_ms: number
    used_at_ms: number
    uses: number
  }
}

type Tables = Kysely<ProjectTables & BuildTables>

export function createBuildRecords(database: Database): BuildRecords {
  return new SqlBuildRecords(database.withTables<BuildTables>())
}

class SqlBuildRecords implements BuildRecords {
  readonly #db: Tables

  constructor(db: Tables) {
    this.#db = db
  }

  async find(project: string, parent: string, key: string): Promise<string | null> {
    const row = await this.#db
      .updateTable('build_steps')
      .set(({ eb }) => ({ used_at_ms: Date.now(), uses: eb('uses', '+', 1) }))
      .where('project', '=', project)
      .where('parent', '=', parent)
      .where('key', '=', key)
      .returning('image_id')
      .executeTakeFirst()
    return row?.image_id ?? null
  }

  async add(
    project: string,
    { parent, key, image, description }: Parameters<BuildRecords['add']>[1],
  ): Promise<void> {
    const now = Date.now()
    const made = { image_id: image, description, created_at_ms: now, used_at_ms: now, uses: 0 }
    await this.#db
      .insertInto('build_steps')
      .values({ project, parent, key, ...made })
      .onConflict((c) => c.columns(['project', 'parent', 'key']).doUpdateSet(made))
      .execute()
  }

  async list(project: string): Promise<readonly BuildStep[]> {
    const rows = await this.#db
      .selectFrom('build_steps')
      .selectAll()
      .where('project', '=', project)
      .orderBy('created_at_ms')
      .execute()
    return rows.map((row) => ({
      parent: row.parent,
      key: row.key,
      image: row.image_id,
      description: row.description,
      createdAt: new Date(row.created_at_ms),
      usedAt: new Date(row.used_at_ms),
      uses: row.uses,
    }))
  }

  async clear(project: string, images: readonly string[]): Promise<void> {
    for (const image of images) {
      await this.#db
        .deleteFrom('build_steps')
        .where('project', '=', project)
        .where('image_id', '=', image)
        .execute()
    }
  }
}
