/** Of what image an image was made, and the steps of builds that may be used again: see src/store/images.ts and builds.ts. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('project_images').addColumn('parent', 'text').execute()
  await db.schema
    .createIndex('project_images_parent')
    .on('project_images')
    .columns(['project', 'parent'])
    .execute()
  await db.schema
    .createTable('build_steps')
    .addColumn('project', 'text', (c) => c.notNull())
    .addColumn('parent', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('image_id', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('created_at_ms', 'integer', (c) => c.notNull())
    .addColumn('used_at_ms', 'integer', (c) => c.notNull())
    .addColumn('uses', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('build_steps_key', ['project', 'parent', 'key'])
    .addForeignKeyConstraint(
      'build_steps_image',
      ['project', 'image_id'],
      'project_images',
      ['project', 'image_id'],
      (c) => c.onDelete('cascade'),
    )
    .execute()
  await db.schema
    .createIndex('build_steps_by_image')
    .on('build_steps')
    .columns(['project', 'image_id'])
    .execute()
}
