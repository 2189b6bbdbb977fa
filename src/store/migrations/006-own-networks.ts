/** Networks that users make, and names in them: see src/store/networks.ts. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('networks').addColumn('settings', 'text').execute()
  await db.schema.alterTable('network_ports').addColumn('naming', 'text').execute()
}
