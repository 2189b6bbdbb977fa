/** Networks, their ports, and the ports of the host that lead to them: see src/store/networks.ts. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('networks')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project', 'text', (c) => c.notNull().references('projects.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('subnet4', 'text', (c) => c.notNull())
    .addColumn('gateway4', 'text', (c) => c.notNull())
    .addColumn('transit4', 'text', (c) => c.notNull().unique())
    .addColumn('last_ipv4', 'text')
    .addColumn('created_at_ms', 'integer', (c) => c.notNull())
    .addUniqueConstraint('networks_name', ['project', 'name'])
    .execute()
  await db.schema
    .createTable('network_ports')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('network', 'text', (c) => c.notNull().references('networks.id').onDelete('cascade'))
    .addColumn('mac', 'text', (c) => c.notNull())
    .addColumn('ipv4', 'text', (c) => c.notNull())
    .addColumn('tap', 'text')
    .addColumn('created_at_ms', 'integer', (c) => c.notNull())
    .addUniqueConstraint('network_ports_ipv4', ['network', 'ipv4'])
    .execute()
  await db.schema
    .createTable('published_ports')
    .addColumn('port', 'text', (c) => c.notNull().references('network_ports.id').onDelete('cascade'))
    .addColumn('position', 'integer', (c) => c.notNull())
    .addColumn('protocol', 'text', (c) => c.notNull())
    .addColumn('host_address', 'text', (c) => c.notNull())
    .addColumn('host_port', 'integer', (c) => c.notNull())
    .addColumn('container_port', 'integer', (c) => c.notNull())
    .addColumn('transit_port', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('published_ports_key', ['port', 'position'])
    .addUniqueConstraint('published_ports_host', ['protocol', 'host_address', 'host_port'])
    .execute()
}
