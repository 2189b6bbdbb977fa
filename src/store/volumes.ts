/** Volumes and their snapshots in the state store. */
import { type Selectable, sql } from 'kysely'
import type { RecordState, SnapshotRecord, VolumeRecord, VolumeRecords } from '../volumes/ports/records.ts'
import type { Database } from './database.ts'

export type VolumeTables = {
  volumes: {
    id: string
    project: string
    name: string
    driver: 'local'
    labels: string
    options: string
    size_bytes: number
    anonymous: number
    pristine: number
    state: RecordState
    created_at_ms: number
  }
  volume_snapshots: {
    id: string
    project: string
    volume: string
    name: string
    size_bytes: number
    state: RecordState
    created_at_ms: number
  }
}

export function createVolumeRecords(database: Database): VolumeRecords {
  const db = database.withTables<VolumeTables>()
  const byAge = ['created_at_ms', sql`rowid`] as const
  return {
    async load() {
      const volumes = await db.selectFrom('volumes').selectAll().orderBy(byAge[0]).orderBy(byAge[1]).execute()
      const snapshots = await db
        .selectFrom('volume_snapshots')
        .selectAll()
        .orderBy(byAge[0])
        .orderBy(byAge[1])
        .execute()
      return { volumes: volumes.map(volumeOf), snapshots: snapshots.map(snapshotOf) }
    },

    async addVolume(volume) {
      const { id, project, name, driver, labels, options, anonymous, createdAt } = volume
      await db
        .insertInto('volumes')
        .values({
          ...{ id, project, name, driver },
          labels: JSON.stringify(labels),
          options: JSON.stringify(options),
          anonymous: Number(anonymous),
          created_at_ms: createdAt.getTime(),
          ...changing(volume),
        })
        .execute()
    },

    async updateVolume(volume) {
      await db.updateTable('volumes').set(changing(volume)).where('id', '=', volume.id).execute()
    },

    async removeVolume(id) {
      await db.deleteFrom('volumes').where('id', '=', id).execute()
    },

    async addSnapshot({ id, project, volume, name, sizeBytes, state, createdAt }) {
      await db
        .insertInto('volume_snapshots')
        .values({
          ...{ id, project, volume, name, state },
          size_bytes: sizeBytes,
          created_at_ms: createdAt.getTime(),
        })
        .execute()
    },

    async updateSnapshot({ id, state }) {
      await db.updateTable('volume_snapshots').set({ state }).where('id', '=', id).execute()
    },

    async removeSnapshot(id) {
      await db.deleteFrom('volume_snapshots').where('id', '=', id).execute()
    },
  }
}

function changing({ sizeBytes, pristine, state }: VolumeRecord) {
  return { size_bytes: sizeBytes, pristine: Number(pristine), state }
}

function volumeOf(row: Selectable<VolumeTables['volumes']>): VolumeRecord {
  const { id, project, name, driver, labels, options, state } = row
  return {
    ...{ id, project, name, driver, state },
    labels: JSON.parse(labels),
    options: JSON.parse(options),
    sizeBytes: row.size_bytes,
    anonymous: row.anonymous !== 0,
    pristine: row.pristine !== 0,
    createdAt: new Date(row.created_at_ms),
  }
}

function snapshotOf(row: Selectable<VolumeTables['volume_snapshots']>): SnapshotRecord {
  const { id, project, volume, name, state } = row
  return {
    ...{ id, project, volume, name, state },
    sizeBytes: row.size_bytes,
    createdAt: new Date(row.created_at_ms),
  }
}
