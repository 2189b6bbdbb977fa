/** Projects: everything is owned by one, and there is one until there is log-in. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('projects')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('created_at_ms', 'integer', (c) => c.notNull())
    .execute()
  await (db as Kysely<{ projects: { id: string; name: string; created_at_ms: number } }>)
    .insertInto('projects')
    .values({ id: 'default', name: 'default', created_at_ms: Date.now() })
    .execute()
}
