/** Images, their layers and names: implements images/records.ts. */
import type { Kysely } from 'kysely'
import type {
  Freed,
  ImageName,
  ImageRecords,
  NewImage,
  ProjectImage,
  StoredImage,
  StoredLayer,
} from '../images/records.ts'
import type { Database, ProjectTables } from './database.ts'

type NameTable = {
  project: string
  repository: string
  suffix: string
  image_id: string
}

type ImageTables = {
  images: { id: string; config: string; chain: string; stored_at_ms: number }
  image_blobs: {
    digest: string
    bytes: number
    compression: StoredLayer['compression']
    diff_id: string
    tar_bytes: number
    content_bytes: number
  }
  image_blob_sources: { digest: string; source: string }
  image_layers: { image_id: string; position: number; digest: string }
  project_images: {
    project: string
    image_id: string
    hidden: number
    tagged_at_ms: number | null
    parent: string | null
  }
  image_tags: NameTable
  image_digests: NameTable
}

type Tables = Kysely<ProjectTables & ImageTables>

export function createImageRecords(database: Database): ImageRecords {
  return new SqlImageRecords(database.withTables<ImageTables>())
}

class SqlImageRecords implements ImageRecords {
  readonly #db: Tables

  constructor(db: Tables) {
    this.#db = db
  }

  async image(id: string): Promise<StoredImage | null> {
    return readImage(this.#db, id)
  }

  async projectImage(project: string, id: string): Promise<ProjectImage | null> {
    const row = await this.#visible(project).where('image_id', '=', id).executeTakeFirst()
    return row ? this.#withNames(row) : null
  }

  async projectImages(project: string): Promise<readonly ProjectImage[]> {
    const rows = await this.#visible(project)
      .orderBy('images.stored_at_ms', 'desc')
      .orderBy('image_id')
      .execute()
    return Promise.all(rows.map((row) => this.#withNames(row)))
  }

  async children(project: string, id: string): Promise<readonly string[]> {
    const rows = await this.#visible(project).where('parent', '=', id).execute()
    return rows.map((row) => row.image_id)
  }

  async idsByPrefix(project: string, prefix: string, limit: number): Promise<readonly string[]> {
    const rows = await this.#visible(project)
      .where('image_id', '>=', prefix)
      .where('image_id', '<', `${prefix}g`)
      .limit(limit)
      .execute()
    return rows.map((row) => row.image_id)
  }

  idByTag(project: string, name: ImageName): Promise<string | null> {
    return this.#idByName('image_tags', project, name)
  }

  idByDigest(project: string, name: ImageName): Promise<string | null> {
    return this.#idByName('image_digests', project, name)
  }

  async add({ project, image, tag, digest, source, parent }: NewImage): Promise<void> {
    await this.#db.transaction().execute(async (db) => {
      for (const layer of image.layers) await insertBlob(db, layer, source)
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('images')
        .values({ id: image.id, config: image.config, chain: image.chain, stored_at_ms: Date.now() })
        .onConflict((c) => c.doNothing())
        .executeTakeFirst()
      if (numInsertedOrUpdatedRows) {
        for (const [position, { digest }] of image.layers.entries()) {
          await db.insertInto('image_layers').values({ image_id: image.id, position, digest }).execute()
        }
      }
      // Layers that an image of the same id came with before are kept; who brings them again need not have them twice.
      else for (const { digest } of image.layers) await dropUnusedBlob(db, digest)
      await db
        .insertInto('project_images')
        .values({ project, image_id: image.id, hidden: 0, tagged_at_ms: null, parent: parent ?? null })
        .onConflict((c) => c.doUpdateSet({ hidden: 0 }))
        .execute()
      if (tag) await setTag(db, project, tag, image.id)
      if (digest) await setDigest(db, project, digest, image.id)
    })
  }

  async setTag(project: string, name: ImageName, id: string): Promise<void> {
    await this.#db.transaction().execute((db) => setTag(db, project, name, id))
  }

  async setDigest(project: string, name: ImageName, id: string): Promise<void> {
    await setDigest(this.#db, project, name, id)
  }

  async removeName(project: string, kind: 'tag' | 'digest', name: ImageName): Promise<void> {
    await this.#db
      .deleteFrom(kind === 'tag' ? 'image_tags' : 'image_digests')
      .where('project', '=', project)
      .where('repository', '=', name.repository)
      .where('suffix', '=', name.suffix)
      .execute()
  }

  async forget(project: string, id: string): Promise<Freed> {
    return this.#db.transaction().execute(async (db) => {
      await removeNames(db, project, id)
      await db
        .deleteFrom('project_images')
        .where('project', '=', project)
        .where('image_id', '=', id)
        .execute()
      return dropUnusedImage(db, id)
    })
  }

  async hide(project: string, id: string): Promise<void> {
    await this.#db.transaction().execute(async (db) => {
      await removeNames(db, project, id)
      await db
        .updateTable('project_images')
        .set({ hidden: 1, tagged_at_ms: null })
        .where('project', '=', project)
        .where('image_id', '=', id)
        .execute()
    })
  }

  async hidden(project: string): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('project_images')
      .select('image_id')
      .where('project', '=', project)
      .where('hidden', '=', 1)
      .execute()
    return rows.map((row) => row.image_id)
  }

  async blob(digest: string): Promise<StoredLayer | null> {
    const row = await this.#db
      .selectFrom('image_blobs')
      .selectAll()
      .where('digest', '=', digest)
      .executeTakeFirst()
    return row ? toLayer(row) : null
  }

  async blobSources(digest: string): Promise<readonly string[]> {
    const rows = await this.#db
      .selectFrom('image_blob_sources')
      .select('source')
      .where('digest', '=', digest)
      .execute()
    return rows.map((row) => row.source)
  }

  async projectHasBlob(project: string, digest: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom('image_layers')
      .innerJoin('project_images', 'project_images.image_id', 'image_layers.image_id')
      .select('digest')
      .where('digest', '=', digest)
      .where('project', '=', project)
      .executeTakeFirst()
    return row !== undefined
  }

  async addBlobSource(digest: string, source: string): Promise<void> {
    await this.#db
      .insertInto('image_blob_sources')
      .values({ digest, source })
      .onConflict((c) => c.doNothing())
      .execute()
  }

  async isBlobUsed(digest: string): Promise<boolean> {
    return isBlobUsed(this.#db, digest)
  }

  async allBlobs(): Promise<readonly string[]> {
    const rows = await this.#db.selectFrom('image_layers').select('digest').distinct().execute()
    return rows.map((row) => row.digest)
  }

  async allChains(): Promise<readonly string[]> {
    const rows = await this.#db.selectFrom('images').select('chain').distinct().execute()
    return rows.map((row) => row.chain)
  }

  async stepChains(): Promise<readonly string[]> {
    const named = (table: 'image_tags' | 'image_digests') =>
      this.#db.selectFrom(table).innerJoin('images', 'images.id', 'image_id').select('chain')
    const leaves = this.#db
      .selectFrom('project_images as leaf')
      .innerJoin('images', 'images.id', 'leaf.image_id')
      .select('chain')
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('project_images as child')
              .select('child.image_id')
              .whereRef('child.project', '=', 'leaf.project')
              .whereRef('child.parent', '=', 'leaf.image_id')
              .where('child.hidden', '=', 0),
          ),
        ),
      )
    const rows = await this.#db
      .selectFrom('images')
      .select('chain')
      .distinct()
      .where('chain', 'not in', named('image_tags'))
      .where('chain', 'not in', named('image_digests'))
      .where('chain', 'not in', leaves)
      .execute()
    return rows.map((row) => row.chain)
  }

  #visible(project: string) {
    return this.#db
      .selectFrom('project_images')
      .innerJoin('images', 'images.id', 'image_id')
      .select(['project', 'image_id', 'tagged_at_ms', 'parent'])
      .where('project', '=', project)
      .where('hidden', '=', 0)
  }

  async #withNames(row: {
    project: string
    image_id: string
    tagged_at_ms: number | null
    parent: string | null
  }): Promise<ProjectImage> {
    const names = (table: 'image_tags' | 'image_digests') =>
      this.#db
        .selectFrom(table)
        .select(['repository', 'suffix'])
        .where('project', '=', row.project)
        .where('image_id', '=', row.image_id)
        .orderBy('repository')
        .orderBy('suffix')
        .execute()
    const image = await readImage(this.#db, row.image_id)
    return {
      ...image!,
      tags: await names('image_tags'),
      digests: await names('image_digests'),
      lastTaggedAt: row.tagged_at_ms === null ? null : new Date(row.tagged_at_ms),
      parent: row.parent,
    }
  }

  async #idByName(
    table: 'image_tags' | 'image_digests',
    project: string,
    name: ImageName,
  ): Promise<string | null> {
    const row = await this.#db
      .selectFrom(table)
      .select('image_id')
      .where('project', '=', project)
      .where('repository', '=', name.repository)
      .where('suffix', '=', name.suffix)
      .executeTakeFirst()
    return row?.image_id ?? null
  }
}

const toLayer = (row: ImageTables['image_blobs']): StoredLayer => ({
  digest: row.digest,
  bytes: row.bytes,
  compression: row.compression,
  diffId: row.diff_id,
  tarBytes: row.tar_bytes,
  contentBytes: row.content_bytes,
})

async function readImage(db: Tables, id: string): Promise<StoredImage | null> {
  const row = await db.selectFrom('images').selectAll().where('id', '=', id).executeTakeFirst()
  if (!row) return null
  const layers = await db
    .selectFrom('image_layers')
    .innerJoin('image_blobs', 'image_blobs.digest', 'image_layers.digest')
    .selectAll('image_blobs')
    .where('image_id', '=', id)
    .orderBy('position')
    .execute()
  return { id: row.id, config: row.config, chain: row.chain, layers: layers.map(toLayer) }
}

async function insertBlob(db: Tables, layer: StoredLayer, source: string): Promise<void> {
  await db
    .insertInto('image_blobs')
    .values({
      digest: layer.digest,
      bytes: layer.bytes,
      compression: layer.compression,
      diff_id: layer.diffId,
      tar_bytes: layer.tarBytes,
      content_bytes: layer.contentBytes,
    })
    .onConflict((c) => c.doNothing())
    .execute()
  await db
    .insertInto('image_blob_sources')
    .values({ digest: layer.digest, source })
    .onConflict((c) => c.doNothing())
    .execute()
}

async function setTag(db: Tables, project: string, name: ImageName, id: string): Promise<void> {
  await db
    .insertInto('image_tags')
    .values({ project, ...name, image_id: id })
    .onConflict((c) => c.doUpdateSet({ image_id: id }))
    .execute()
  await db
    .updateTable('project_images')
    .set({ tagged_at_ms: Date.now() })
    .where('project', '=', project)
    .where('image_id', '=', id)
    .execute()
}

async function setDigest(db: Tables, project: string, name: ImageName, id: string): Promise<void> {
  await db
    .insertInto('image_digests')
    .values({ project, ...name, image_id: id })
    .onConflict((c) => c.doUpdateSet({ image_id: id }))
    .execute()
}

async function removeNames(db: Tables, project: string, id: string): Promise<void> {
  for (const table of ['image_tags', 'image_digests'] as const) {
    await db.deleteFrom(table).where('project', '=', project).where('image_id', '=', id).execute()
  }
}

async function isBlobUsed(db: Tables, digest: string): Promise<boolean> {
  const row = await db
    .selectFrom('image_layers')
    .select('digest')
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row !== undefined
}

async function dropUnusedBlob(db: Tables, digest: string): Promise<boolean> {
  if (await isBlobUsed(db, digest)) return false
  await db.deleteFrom('image_blobs').where('digest', '=', digest).execute()
  return true
}

async function dropUnusedImage(db: Tables, id: string): Promise<Freed> {
  const used = await db
    .selectFrom('project_images')
    .select('project')
    .where('image_id', '=', id)
    .executeTakeFirst()
  const image = used ? null : await readImage(db, id)
  if (!image) return { blobs: [], chains: [] }
  await db.deleteFrom('images').where('id', '=', id).execute()
  const blobs: string[] = []
  for (const digest of new Set(image.layers.map((layer) => layer.digest))) {
    if (await dropUnusedBlob(db, digest)) blobs.push(digest)
  }
  const sharer = await db
    .selectFrom('images')
    .select('id')
    .where('chain', '=', image.chain)
    .executeTakeFirst()
  return { blobs, chains: sharer ? [] : [image.chain] }
}
