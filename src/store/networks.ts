/** Networks and ports in the state store. */
import type {
  NetworkRecord,
  NetworkRecords,
  NetworkSettings,
  PortRecord,
  PublishedRecord,
} from '../networks/ports/records.ts'
import type { Database } from './database.ts'

export type NetworkTables = {
  networks: {
    id: string
    project: string
    name: string
    subnet4: string
    gateway4: string
    transit4: string
    last_ipv4: string | null
    created_at_ms: number
    /** JSON; null of the networks of earlier daemons. */
    settings: string | null
  }
  network_ports: {
    id: string
    network: string
    mac: string
    ipv4: string
    tap: string | null
    created_at_ms: number
    /** JSON. */
    naming: string | null
  }
  published_ports: {
    port: string
    position: number
    protocol: 'tcp' | 'udp'
    host_address: string
    host_port: number
    container_port: number
    transit_port: number
  }
}

const ofEarlierDaemons: NetworkSettings = {
  ...{ internal: false, attachable: false, labels: {}, options: {}, auxAddresses: {} },
  ...{ ipRange4: '', hasOwnSubnet: false, mtu: 0 },
}

/** Far below SQLite's limit of variables in one statement. */
const idsInStatementMax = 500

export function createNetworkRecords(database: Database): NetworkRecords {
  const db = database.withTables<NetworkTables>()
  return {
    async load() {
      const networks = await db.selectFrom('networks').selectAll().orderBy('created_at_ms').execute()
      const ports = await db.selectFrom('network_ports').selectAll().execute()
      const published = await db.selectFrom('published_ports').selectAll().orderBy('position').execute()
      const byPort = Map.groupBy(published, (row) => row.port)
      return {
        networks: networks.map(({ last_ipv4, created_at_ms, settings, ...network }) => ({
          ...network,
          createdAtMs: created_at_ms,
          settings: settings === null ? ofEarlierDaemons : JSON.parse(settings),
          lastIpv4: last_ipv4,
        })),
        ports: ports.map(({ created_at_ms: _, naming, ...port }) => ({
          ...port,
          naming: naming && JSON.parse(naming),
          published: (byPort.get(port.id) ?? []).map(publishedOf),
        })),
      }
    },

    async addNetwork({ createdAtMs, settings, ...network }: NetworkRecord) {
      await db
        .insertInto('networks')
        .values({
          ...network,
          last_ipv4: null,
          created_at_ms: createdAtMs,
          settings: JSON.stringify(settings),
        })
        .execute()
    },

    async removeNetwork(id) {
      await db.deleteFrom('networks').where('id', '=', id).execute()
    },

    async addPort({ id, network, mac, ipv4, tap, naming, published }: PortRecord, lastIpv4) {
      await db.transaction().execute(async (change) => {
        await change
          .insertInto('network_ports')
          .values({
            ...{ id, network, mac, ipv4, tap, created_at_ms: Date.now() },
            naming: naming && JSON.stringify(naming),
          })
          .execute()
        if (published.length > 0) {
          await change.insertInto('published_ports').values(rowsOf(id, published)).execute()
        }
        await change.updateTable('networks').set({ last_ipv4: lastIpv4 }).where('id', '=', network).execute()
      })
    },

    async setTap(port, tap) {
      await db.updateTable('network_ports').set({ tap }).where('id', '=', port).execute()
    },

    async setNaming(port, naming) {
      await db
        .updateTable('network_ports')
        .set({ naming: JSON.stringify(naming) })
        .where('id', '=', port)
        .execute()
    },

    async setPublished(port, published) {
      await db.transaction().execute(async (change) => {
        await change.deleteFrom('published_ports').where('port', '=', port).execute()
        if (published.length > 0) {
          await change.insertInto('published_ports').values(rowsOf(port, published)).execute()
        }
      })
    },

    async removePorts(ids) {
      for (let from = 0; from < ids.length; from += idsInStatementMax) {
        const some = ids.slice(from, from + idsInStatementMax)
        await db.deleteFrom('network_ports').where('id', 'in', some).execute()
      }
    },
  }
}

const rowsOf = (port: string, published: readonly PublishedRecord[]) =>
  published.map((entry, position) => ({ port, position, ...rowOf(entry) }))

function publishedOf(row: NetworkTables['published_ports']): PublishedRecord {
  return {
    protocol: row.protocol,
    hostAddress: row.host_address,
    hostPort: row.host_port,
    containerPort: row.container_port,
    transitPort: row.transit_port,
  }
}

function rowOf(published: PublishedRecord): Omit<NetworkTables['published_ports'], 'port' | 'position'> {
  return {
    protocol: published.protocol,
    host_address: published.hostAddress,
    host_port: published.hostPort,
    container_port: published.containerPort,
    transit_port: published.transitPort,
  }
}
