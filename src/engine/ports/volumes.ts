/**
 * What the engine needs of volumes: disks that are there before and after the sandboxes that use them, and copies of them.
 * Who may attach one is for the engine to say (src/engine/volumes): no two calls about one volume are ever under way.
 */
import type { SandboxVolume } from './sandbox.ts'

export interface NewVolume {
  readonly project: string
  /** Unique in its project. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** As the user gave them. */
  readonly options: Readonly<Record<string, string>>
  /** 0: the default. */
  readonly sizeBytes: number
  /** Nobody chose its name. */
  readonly anonymous: boolean
}

export interface Volume extends NewVolume {
  /** 64 hex characters; another one for a volume of the same name that comes later. */
  readonly id: string
  readonly driver: 'local'
  readonly createdAt: Date
  /** No sandbox has had it for writing yet: what an image has at its place is copied into it then. */
  readonly pristine: boolean
}

/** What was in a volume at a moment. It stays when the volume goes. */
export interface VolumeSnapshot {
  readonly id: string
  readonly project: string
  /** Of the volume it was taken of. */
  readonly volume: string
  /** Unique among those of one name of a volume. */
  readonly name: string
  readonly sizeBytes: number
  readonly createdAt: Date
}

/**
 * Writes what is in a volume now to the file, which is there and as long as the volume: how a volume is copied that a
 * sandbox writes to. null: nobody writes to it.
 */
export type LiveCopy = ((targetPath: string) => Promise<void>) | null

export interface VolumeProvider {
  readonly limits: {
    /** Of a volume that asks for no size. */
    readonly sizeBytes: number
    readonly sizeBytesMin: number
    readonly sizeBytesMax: number
  }
  /** Of all projects, oldest first; those that are ready. */
  volumes(): readonly Volume[]
  snapshots(): readonly VolumeSnapshot[]
  /**
   * Durable, with an empty file system, when it resolves; leaves nothing when it rejects: kind `conflict`, code `volume_exists`;
   * kind `invalid`, code `bad_volume_size`.
   */
  create(volume: NewVolume): Promise<Volume>
  /** With what is in it; its snapshots stay. One that does not exist is no error. */
  remove(id: string): Promise<void>
  /** Makes it ready for a sandbox, and says where that finds it. */
  attach(id: string, how: { readonly readOnly: boolean }): Promise<SandboxVolume>
  /** No sandbox has it any more. */
  detach(id: string): Promise<void>
  /** Whether the sandbox that wrote to it last did not come to unmount it: it cannot be read before it is mounted for writing once. */
  isUnclean(id: string): Promise<boolean>
  /** A sandbox that could write has had it. */
  markUsed(id: string): Promise<void>
  /** Its disk is longer when this resolves; its file system grows when it is mounted next, or by `Sandbox.growVolume`. */
  grow(id: string, sizeBytes: number): Promise<Volume>
  /** What it takes of the host's disk. */
  usedBytes(id: string): Promise<number>
  /** Rejects with kind `conflict`, code `snapshot_exists`. */
  snapshot(id: string, name: string, live: LiveCopy): Promise<VolumeSnapshot>
  /** A new volume with what is in another. */
  clone(id: string, volume: NewVolume, live: LiveCopy): Promise<Volume>
  cloneSnapshot(snapshot: string, volume: NewVolume): Promise<Volume>
  /** The volume has what it had then; it keeps its size if it has grown since. Either happens wholly or not at all. */
  restore(id: string, snapshot: string): Promise<void>
  removeSnapshot(snapshot: string): Promise<void>
  snapshotUsedBytes(snapshot: string): Promise<number>
}
