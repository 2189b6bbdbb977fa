/** Containers in the state store. */
import { type Selectable, sql } from 'kysely'
import type { ContainerHealth, ContainerPort, ContainerSpec, ContainerState } from '../engine/model.ts'
import type { ContainerStore, StoredContainer } from '../engine/ports/store.ts'
import type { Database } from './database.ts'

export type ContainerTables = {
  containers: {
    id: string
    project: string
    name: string
    created_at_ms: number
    spec: string
    state: string
    sandbox: string | null
    /** A list; of earlier daemons one port, or null. */
    port: string | null
    scratch_base_bytes: number | null
  }
}

export function createContainerStore(database: Database): ContainerStore {
  const db = database.withTables<ContainerTables>()
  return {
    async load() {
      const rows = await db
        .selectFrom('containers')
        .selectAll()
        .orderBy('created_at_ms')
        .orderBy(sql`rowid`)
        .execute()
      return rows.map(containerOf)
    },

    async add(container) {
      const { id, project, createdAt, spec } = container
      await db
        .insertInto('containers')
        .values({
          id,
          project,
          created_at_ms: createdAt.getTime(),
          spec: JSON.stringify(spec),
          ...changing(container),
        })
        .execute()
    },

    async update(container) {
      await db.updateTable('containers').set(changing(container)).where('id', '=', container.id).execute()
    },

    async updateSpec(id, spec) {
      await db
        .updateTable('containers')
        .set({ spec: JSON.stringify(spec) })
        .where('id', '=', id)
        .execute()
    },

    async remove(id) {
      await db.deleteFrom('containers').where('id', '=', id).execute()
    },
  }
}

function changing({ name, state, sandbox, ports, scratchBaseBytes }: StoredContainer) {
  return {
    name,
    state: JSON.stringify(state),
    sandbox: sandbox && JSON.stringify(sandbox),
    port: JSON.stringify(ports),
    scratch_base_bytes: scratchBaseBytes,
  }
}

function containerOf(row: Selectable<ContainerTables['containers']>): StoredContainer {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    createdAt: new Date(row.created_at_ms),
    spec: specOf(row.spec),
    state: stateOf(row.state),
    sandbox: row.sandbox && JSON.parse(row.sandbox),
    ports: portsOf(row.port),
    scratchBaseBytes: row.scratch_base_bytes,
  }
}

/** Earlier daemons knew the default network and none, and no volumes. */
function specOf(text: string): ContainerSpec {
  const { network, macAddress: mac, ...spec } = { mounts: [], ...JSON.parse(text) }
  if (spec.attachments) return spec
  const named = network === 'none' ? { network, name: 'none' } : { network: 'default', name: 'bridge' }
  const attachment = { ...named, aliases: [], links: [], gatewayPriority: 0, ...(mac ? { mac } : {}) }
  return { ...spec, attachments: [attachment] }
}

function portsOf(text: string | null): readonly ContainerPort[] {
  const stored = text === null ? [] : JSON.parse(text)
  if (Array.isArray(stored)) return stored
  const only = { slot: 0, interface: 'eth0', leadsOut: true, networkName: 'bridge', resolver4: '', asks4: '' }
  return stored === null ? [] : [{ ...stored, ...only }]
}

function stateOf(text: string): ContainerState {
  const state = JSON.parse(text)
  const date = (value: string | null) => (value === null ? null : new Date(value))
  return {
    ...state,
    startedAt: date(state.startedAt),
    finishedAt: date(state.finishedAt),
    health: healthOf(state.health ?? null),
    stop: state.stop ? { ...state.stop, killAt: date(state.stop.killAt) } : null,
  }
}

/** As JSON left it: its times are texts. */
function healthOf(health: ContainerHealth | null): ContainerHealth | null {
  const log = health?.log.map((probe) => ({
    ...probe,
    start: new Date(probe.start),
    end: new Date(probe.end),
  }))
  return health && { ...health, log: log! }
}
