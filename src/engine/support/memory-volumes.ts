/** Volumes without disks, for specs of the engine: a path is a name, and what is in a volume is for the fakes of sandboxes to say. */
import { conflict, internal, invalid } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { GiB, MiB } from '../../lib/units.ts'
import type { SandboxVolume } from '../ports/sandbox.ts'
import type { LiveCopy, NewVolume, Volume, VolumeProvider, VolumeSnapshot } from '../ports/volumes.ts'

export class MemoryVolumes implements VolumeProvider {
  readonly limits = { sizeBytes: 10 * GiB, sizeBytesMin: 16 * MiB, sizeBytesMax: 1_024 * GiB }
  /** Ids of those whose last sandbox did not come to unmount them. */
  readonly unclean = new Set<string>()
  /** What was done, in order: `attach data rw`, … */
  readonly done: string[] = []
  /** Awaited by each copy. */
  onCopy: () => void | Promise<void> = () => {}
  #volumes: Volume[] = []
  #snapshots: VolumeSnapshot[] = []

  volumes(): readonly Volume[] {
    return this.#volumes
  }

  snapshots(): readonly VolumeSnapshot[] {
    return this.#snapshots
  }

  async create(wanted: NewVolume): Promise<Volume> {
    if (this.#volumes.some(({ project, name }) => project === wanted.project && name === wanted.name)) {
      throw conflict('volume_exists', `a volume named ${wanted.name} already exists`)
    }
    const sizeBytes = wanted.sizeBytes || this.limits.sizeBytes
    if (sizeBytes > this.limits.sizeBytesMax) throw invalid('bad_volume_size', 'too large')
    const made = { id: newId(), driver: 'local', createdAt: new Date(), pristine: true } as const
    const volume: Volume = { ...wanted, ...made, sizeBytes }
    this.#volumes = [...this.#volumes, volume]
    return volume
  }

  async remove(id: string): Promise<void> {
    this.#volumes = this.#volumes.filter((volume) => volume.id !== id)
  }

  async attach(id: string, { readOnly }: { readonly readOnly: boolean }): Promise<SandboxVolume> {
    this.done.push(`attach ${this.#known(id).name} ${readOnly ? 'ro' : 'rw'}`)
    return { path: `/volumes/${id}`, readOnly }
  }

  async detach(id: string): Promise<void> {
    this.done.push(`detach ${this.#volumes.find((volume) => volume.id === id)?.name ?? 'one that is gone'}`)
  }

  async isUnclean(id: string): Promise<boolean> {
    return this.unclean.has(id)
  }

  async markUsed(id: string): Promise<void> {
    this.#change(id, { pristine: false })
  }

  async grow(id: string, sizeBytes: number): Promise<Volume> {
    if (sizeBytes < this.#known(id).sizeBytes) throw invalid('bad_volume_size', 'cannot be made smaller')
    return this.#change(id, { sizeBytes })
  }

  async usedBytes(): Promise<number> {
    return MiB
  }

  async snapshot(id: string, name: string, live: LiveCopy): Promise<VolumeSnapshot> {
    const { project, name: volume, sizeBytes } = this.#known(id)
    await this.#copy(volume, live)
    const snapshot = { id: newId(), project, volume, name, sizeBytes, createdAt: new Date() }
    this.#snapshots = [...this.#snapshots, snapshot]
    return snapshot
  }

  async clone(id: string, wanted: NewVolume, live: LiveCopy): Promise<Volume> {
    await this.#copy(this.#known(id).name, live)
    return this.create(wanted)
  }

  async cloneSnapshot(_snapshot: string, wanted: NewVolume): Promise<Volume> {
    return this.create(wanted)
  }

  async restore(id: string, snapshot: string): Promise<void> {
    const { name } = this.#snapshots.find((one) => one.id === snapshot)!
    this.done.push(`restore ${this.#known(id).name} ${name}`)
  }

  async removeSnapshot(snapshot: string): Promise<void> {
    this.#snapshots = this.#snapshots.filter(({ id }) => id !== snapshot)
  }

  async snapshotUsedBytes(): Promise<number> {
    return MiB
  }

  async #copy(name: string, live: LiveCopy): Promise<void> {
    this.done.push(`copy ${name}${live ? ' live' : ''}`)
    await this.onCopy()
  }

  #known(id: string): Volume {
    const volume = this.#volumes.find((one) => one.id === id)
    if (!volume) throw internal('no_such_disk', `there is no volume ${id}`)
    return volume
  }

  #change(id: string, change: Partial<Volume>): Volume {
    const changed = { ...this.#known(id), ...change }
    this.#volumes = this.#volumes.map((volume) => (volume.id === id ? changed : volume))
    return changed
  }
}
