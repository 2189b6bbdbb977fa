/** Containers, and the events told of them and of images: see src/store/containers.ts and events.ts. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('containers')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project', 'text', (c) => c.notNull().references('projects.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('created_at_ms', 'integer', (c) => c.notNull())
    .addColumn('spec', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('sandbox', 'text')
    .addColumn('port', 'text')
    .addColumn('scratch_base_bytes', 'integer')
    .addUniqueConstraint('containers_name', ['project', 'name'])
    .execute()
  // Nanoseconds since 1970 have 19 digits until 2286, and are too large for a JavaScript number.
  await db.schema
    .createTable('events')
    .addColumn('time_nano', 'text', (c) => c.primaryKey())
    .addColumn('project', 'text', (c) => c.notNull())
    .addColumn('event', 'text', (c) => c.notNull())
    .execute()
}
