/** What volumes need of the state store. Durable when a promise resolves. */
import type { Volume, VolumeSnapshot } from '../../engine/ports/volumes.ts'

/** What is being made or removed has no file, or half of one. */
export type RecordState = 'creating' | 'ready' | 'removing'

export interface VolumeRecord extends Volume {
  readonly state: RecordState
}

export interface SnapshotRecord extends VolumeSnapshot {
  readonly state: RecordState
}

export interface VolumeRecords {
  /** Oldest first. */
  load(): Promise<{
    readonly volumes: readonly VolumeRecord[]
    readonly snapshots: readonly SnapshotRecord[]
  }>
  addVolume(volume: VolumeRecord): Promise<void>
  /** State, size, and whether it is pristine. */
  updateVolume(volume: VolumeRecord): Promise<void>
  removeVolume(id: string): Promise<void>
  addSnapshot(snapshot: SnapshotRecord): Promise<void>
  updateSnapshot(snapshot: SnapshotRecord): Promise<void>
  removeSnapshot(id: string): Promise<void>
}
