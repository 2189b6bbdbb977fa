/**
 * Volumes as sparse raw files of this host. Each is recorded before there is a file and forgotten after it has gone, so that what a
 * killed daemon was making or removing is known and nothing else is ever deleted.
 */
import type { SandboxVolume } from '../../engine/ports/sandbox.ts'
import type {
  LiveCopy,
  NewVolume,
  Volume,
  VolumeProvider,
  VolumeSnapshot,
} from '../../engine/ports/volumes.ts'
import { formatBytes } from '../../lib/bytes.ts'
import { conflict, internal, invalid } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import { MiB } from '../../lib/units.ts'
import type { SnapshotRecord, VolumeRecord, VolumeRecords } from '../ports/records.ts'
import { copyDisk, Disks, emptyDisk, settle } from './disks.ts'
import { FileSystems, needsRecovery } from './file-systems.ts'

export interface BuiltinVolumesOptions {
  readonly records: VolumeRecords
  readonly directory: string
  /** Of a volume that asks for no size. */
  readonly sizeBytes: number
  readonly sizeBytesMax: number
  readonly log: Log
}

/** Below this ext4 has hardly room for its journal. */
const sizeBytesMin = 16 * MiB
/** File systems are made of whole blocks, and grow by them. */
const sizeStepBytes = MiB

export async function createBuiltinVolumes(options: BuiltinVolumesOptions): Promise<VolumeProvider> {
  const volumes = new BuiltinVolumes(options)
  await volumes.open()
  return volumes
}

class BuiltinVolumes implements VolumeProvider {
  readonly limits
  readonly #options: BuiltinVolumesOptions
  readonly #disks: Disks
  readonly #fileSystems: FileSystems
  readonly #volumes = new Map<string, VolumeRecord>()
  readonly #snapshots = new Map<string, SnapshotRecord>()

  constructor(options: BuiltinVolumesOptions) {
    const { sizeBytes, sizeBytesMax, directory } = options
    this.limits = { sizeBytes, sizeBytesMin, sizeBytesMax }
    this.#options = options
    this.#disks = new Disks(directory)
    this.#fileSystems = new FileSystems(directory)
  }

  /** Finishes what a killed daemon had begun. */
  async open(): Promise<void> {
    await this.#disks.prepare()
    const { volumes, snapshots } = await this.#options.records.load()
    for (const volume of volumes) {
      this.#volumes.set(volume.id, volume)
      if (volume.state !== 'ready') await this.#discard(volume)
      else await this.#disks.dropUnfinished('v', volume.id)
    }
    for (const snapshot of snapshots) {
      this.#snapshots.set(snapshot.id, snapshot)
      if (snapshot.state !== 'ready') await this.#discardSnapshot(snapshot)
    }
    await this.#tellStrangers('v', this.#volumes)
    await this.#tellStrangers('s', this.#snapshots)
  }

  /** Somebody's data is not deleted because a state store is older than it. */
  async #tellStrangers(kind: 'v' | 's', known: ReadonlyMap<string, unknown>): Promise<void> {
    for (const id of await this.#disks.list(kind)) {
      if (known.has(id)) continue
      this.#options.log.warn(
        { disk: this.#disks.path(kind, id) },
        'a disk that the state store does not know',
      )
    }
  }

  volumes(): readonly Volume[] {
    return [...this.#volumes.values()].filter(({ state }) => state === 'ready').map(publicVolume)
  }

  snapshots(): readonly VolumeSnapshot[] {
    return [...this.#snapshots.values()].filter(({ state }) => state === 'ready').map(publicSnapshot)
  }

  async create(wanted: NewVolume): Promise<Volume> {
    const sizeBytes = this.#sizeOf(wanted)
    return this.#make({ ...wanted, sizeBytes, pristine: true }, (path) =>
      this.#fileSystems.write(path, sizeBytes),
    )
  }

  async #make(
    wanted: NewVolume & { readonly pristine: boolean },
    fill: (path: string) => Promise<void>,
  ): Promise<Volume> {
    const { project, name } = wanted
    if ([...this.#volumes.values()].some((other) => other.project === project && other.name === name)) {
      throw conflict('volume_exists', `a volume named ${name} already exists`)
    }
    const volume: VolumeRecord = {
      ...wanted,
      id: newId(),
      driver: 'local',
      createdAt: new Date(),
      state: 'creating',
    }
    this.#volumes.set(volume.id, volume)
    try {
      await this.#options.records.addVolume(volume)
      await this.#disks.make('v', volume.id, fill)
      return publicVolume(await this.#change(volume, { state: 'ready' }))
    } catch (error) {
      await this.#discard(volume).catch((left) => this.#tellLeft(volume.id, left))
      throw error
    }
  }

  async remove(id: string): Promise<void> {
    const volume = this.#volumes.get(id)
    if (volume) await this.#discard(await this.#change(volume, { state: 'removing' }))
  }

  async attach(id: string, { readOnly }: { readonly readOnly: boolean }): Promise<SandboxVolume> {
    this.#known(id)
    return { path: this.#disks.path('v', id), readOnly }
  }

  /** A file is lent to a sandbox only while that opens it: there is nothing to give back. */
  async detach(): Promise<void> {}

  async isUnclean(id: string): Promise<boolean> {
    return needsRecovery(this.#disks.path('v', this.#known(id).id))
  }

  async markUsed(id: string): Promise<void> {
    const volume = this.#known(id)
    if (volume.pristine) await this.#change(volume, { pristine: false })
  }

  async grow(id: string, sizeBytes: number): Promise<Volume> {
    const volume = this.#known(id)
    const wanted = this.#sizeOf({ name: volume.name, sizeBytes })
    if (wanted < volume.sizeBytes) {
      throw invalid(
        'bad_volume_size',
        `volume ${volume.name} has ${formatBytes(volume.sizeBytes)} and cannot be made smaller: make another one and copy what is in it`,
      )
    }
    await this.#disks.grow(id, wanted)
    return publicVolume(await this.#change(volume, { sizeBytes: wanted }))
  }

  usedBytes(id: string): Promise<number> {
    return this.#disks.usedBytes('v', id)
  }

  async snapshot(id: string, name: string, live: LiveCopy): Promise<VolumeSnapshot> {
    const { project, name: volume, sizeBytes } = this.#known(id)
    const isTaken = (other: SnapshotRecord) =>
      other.project === project && other.volume === volume && other.name === name
    if ([...this.#snapshots.values()].some(isTaken)) {
      throw conflict('snapshot_exists', `volume ${volume} has a snapshot named ${name} already`)
    }
    const snapshot: SnapshotRecord = {
      ...{ id: newId(), project, volume, name, sizeBytes },
      createdAt: new Date(),
      state: 'creating',
    }
    this.#snapshots.set(snapshot.id, snapshot)
    try {
      await this.#options.records.addSnapshot(snapshot)
      await this.#disks.make('s', snapshot.id, (path) => this.#copy(id, path, sizeBytes, live))
      return publicSnapshot(await this.#changeSnapshot(snapshot, 'ready'))
    } catch (error) {
      await this.#discardSnapshot(snapshot).catch((left) => this.#tellLeft(snapshot.id, left))
      throw error
    }
  }

  async clone(id: string, wanted: NewVolume, live: LiveCopy): Promise<Volume> {
    const { sizeBytes, pristine } = this.#known(id)
    return this.#make({ ...wanted, sizeBytes: this.#sizeOfCopy(wanted, sizeBytes), pristine }, (path) =>
      this.#copy(id, path, this.#sizeOfCopy(wanted, sizeBytes), live),
    )
  }

  async cloneSnapshot(id: string, wanted: NewVolume): Promise<Volume> {
    const snapshot = this.#knownSnapshot(id)
    const sizeBytes = this.#sizeOfCopy(wanted, snapshot.sizeBytes)
    return this.#make({ ...wanted, sizeBytes, pristine: false }, (path) =>
      copyDisk(this.#disks.path('s', id), path, sizeBytes),
    )
  }

  async restore(id: string, snapshot: string): Promise<void> {
    const volume = this.#known(id)
    const { sizeBytes } = this.#knownSnapshot(snapshot)
    const wanted = Math.max(volume.sizeBytes, sizeBytes)
    await this.#disks.replace('v', id, (path) => copyDisk(this.#disks.path('s', snapshot), path, wanted))
    await this.#change(this.#known(id), { sizeBytes: wanted, pristine: false })
  }

  async removeSnapshot(id: string): Promise<void> {
    const snapshot = this.#snapshots.get(id)
    if (snapshot) await this.#discardSnapshot(await this.#changeSnapshot(snapshot, 'removing'))
  }

  snapshotUsedBytes(id: string): Promise<number> {
    return this.#disks.usedBytes('s', id)
  }

  async #copy(id: string, path: string, bytes: number, live: LiveCopy): Promise<void> {
    if (!live) return copyDisk(this.#disks.path('v', id), path, bytes)
    await emptyDisk(path, this.#known(id).sizeBytes)
    await live(path)
    await settle(path, bytes)
  }

  #sizeOf({ name, sizeBytes }: Pick<NewVolume, 'name' | 'sizeBytes'>): number {
    if (sizeBytes === 0) return this.limits.sizeBytes
    const rounded = Math.ceil(sizeBytes / sizeStepBytes) * sizeStepBytes
    if (rounded >= sizeBytesMin && rounded <= this.limits.sizeBytesMax) return rounded
    const [least, most] = [sizeBytesMin, this.limits.sizeBytesMax].map(formatBytes)
    throw invalid(
      'bad_volume_size',
      `the size of volume ${name} cannot be ${formatBytes(sizeBytes)}: it can be ${least} to ${most}`,
    )
  }

  /** At least as large as what is copied. */
  #sizeOfCopy(wanted: NewVolume, sizeBytes: number): number {
    return Math.max(sizeBytes, wanted.sizeBytes === 0 ? 0 : this.#sizeOf(wanted))
  }

  #known(id: string): VolumeRecord {
    const volume = this.#volumes.get(id)
    if (volume?.state !== 'ready') throw internal('no_such_disk', `there is no volume ${id}`)
    return volume
  }

  #knownSnapshot(id: string): SnapshotRecord {
    const snapshot = this.#snapshots.get(id)
    if (snapshot?.state !== 'ready') throw internal('no_such_disk', `there is no snapshot ${id}`)
    return snapshot
  }

  async #change(volume: VolumeRecord, change: Partial<VolumeRecord>): Promise<VolumeRecord> {
    const changed = { ...volume, ...change }
    await this.#options.records.updateVolume(changed)
    this.#volumes.set(volume.id, changed)
    return changed
  }

  async #changeSnapshot(snapshot: SnapshotRecord, state: SnapshotRecord['state']): Promise<SnapshotRecord> {
    const changed = { ...snapshot, state }
    await this.#options.records.updateSnapshot(changed)
    this.#snapshots.set(snapshot.id, changed)
    return changed
  }

  async #discard({ id }: VolumeRecord): Promise<void> {
    await this.#disks.remove('v', id)
    await this.#options.records.removeVolume(id)
    this.#volumes.delete(id)
  }

  async #discardSnapshot({ id }: SnapshotRecord): Promise<void> {
    await this.#disks.remove('s', id)
    await this.#options.records.removeSnapshot(id)
    this.#snapshots.delete(id)
  }

  #tellLeft(disk: string, error: unknown): void {
    this.#options.log.error(
      { disk, err: error },
      'a disk that could not be made is removed at the next start',
    )
  }
}

function publicVolume({ state: _, ...volume }: VolumeRecord): Volume {
  return volume
}

function publicSnapshot({ state: _, ...snapshot }: SnapshotRecord): VolumeSnapshot {
  return snapshot
}
