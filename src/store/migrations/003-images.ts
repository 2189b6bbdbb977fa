/** images: see src/store/images.ts. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('images')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('config', 'text', (c) => c.notNull())
    .addColumn('chain', 'text', (c) => c.notNull())
    .addColumn('stored_at_ms', 'integer', (c) => c.notNull())
    .execute()
  await db.schema.createIndex('images_chain').on('images').column('chain').execute()

  await db.schema
    .createTable('image_blobs')
    .addColumn('digest', 'text', (c) => c.primaryKey())
    .addColumn('bytes', 'integer', (c) => c.notNull())
    .addColumn('compression', 'text', (c) => c.notNull())
    .addColumn('diff_id', 'text', (c) => c.notNull())
    .addColumn('tar_bytes', 'integer', (c) => c.notNull())
    .addColumn('content_bytes', 'integer', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('image_blob_sources')
    .addColumn('digest', 'text', (c) => c.notNull().references('image_blobs.digest').onDelete('cascade'))
    .addColumn('source', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('image_blob_sources_key', ['digest', 'source'])
    .execute()

  await db.schema
    .createTable('image_layers')
    .addColumn('image_id', 'text', (c) => c.notNull().references('images.id').onDelete('cascade'))
    .addColumn('position', 'integer', (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull().references('image_blobs.digest'))
    .addPrimaryKeyConstraint('image_layers_key', ['image_id', 'position'])
    .execute()
  await db.schema.createIndex('image_layers_digest').on('image_layers').column('digest').execute()

  await db.schema
    .createTable('project_images')
    .addColumn('project', 'text', (c) => c.notNull())
    .addColumn('image_id', 'text', (c) => c.notNull().references('images.id'))
    .addColumn('hidden', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('tagged_at_ms', 'integer')
    .addPrimaryKeyConstraint('project_images_key', ['project', 'image_id'])
    .execute()
  await db.schema.createIndex('project_images_image').on('project_images').column('image_id').execute()

  for (const kind of ['tag', 'digest']) {
    await db.schema
      .createTable(`image_${kind}s`)
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('repository', 'text', (c) => c.notNull())
      .addColumn('suffix', 'text', (c) => c.notNull())
      .addColumn('image_id', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint(`image_${kind}s_key`, ['project', 'repository', 'suffix'])
      .addForeignKeyConstraint(`image_${kind}s_image`, ['project', 'image_id'], 'project_images', [
        'project',
        'image_id',
      ])
      .execute()
    await sql`create index ${sql.ref(`image_${kind}s_by_image`)} on ${sql.table(`image_${kind}s`)} (project, image_id)`.execute(
      db,
    )
  }
}
