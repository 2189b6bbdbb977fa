/** Volumes in memory, for specs of the front door. */
import { conflict, notFound } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Scope, VolumeSnapshotView, VolumesBackend, VolumeView } from '../docker/backends.ts'

export class FakeVolumes implements VolumesBackend {
  readonly volumes: VolumeView[] = []
  readonly taken: VolumeSnapshotView[] = []
  /** What was asked that only the engine can answer for. */
  readonly asked: unknown[] = []

  async create(_scope: Scope, request: Parameters<VolumesBackend['create']>[1]): Promise<VolumeView> {
    const { name = newId(), labels, options } = request
    const known = this.volumes.find((volume) => volume.name === name)
    if (known) return known
    const volume: VolumeView = {
      ...{ name, labels, options, driver: 'local', sizeBytes: 2 ** 30 },
      anonymous: request.name === undefined,
      createdAt: new Date(),
      containers: [],
      attachments: [],
    }
    this.volumes.push(volume)
    return volume
  }

  async get(_scope: Scope, name: string): Promise<VolumeView> {
    const found = this.volumes.find((volume) => volume.name === name)
    if (!found) throw notFound('no_such_volume', `get ${name}: no such volume`)
    return found
  }

  async list(): Promise<readonly VolumeView[]> {
    return this.volumes
  }

  async remove(scope: Scope, name: string): Promise<void> {
    const volume = await this.get(scope, name)
    if (volume.containers.length > 0)
      throw conflict('volume_in_use', `remove ${name}: volume is in use - [x]`)
    this.volumes.splice(this.volumes.indexOf(volume), 1)
  }

  async prune(scope: Scope, matches: (volume: VolumeView) => boolean) {
    const pruned = this.volumes.filter((volume) => volume.containers.length === 0 && matches(volume))
    for (const { name } of pruned) await this.remove(scope, name)
    return { names: pruned.map(({ name }) => name), bytes: pruned.length * 1024 }
  }

  async usedBytes(): Promise<number> {
    return 1024
  }

  async grow(scope: Scope, name: string, sizeBytes: number): Promise<VolumeView> {
    const volume = await this.get(scope, name)
    this.asked.push({ grow: name, sizeBytes })
    return { ...volume, sizeBytes }
  }

  async snapshots(_scope: Scope, volume?: string): Promise<readonly VolumeSnapshotView[]> {
    return this.taken.filter((one) => volume === undefined || one.volume === volume)
  }

  async snapshotUsedBytes(): Promise<number> {
    return 512
  }

  async snapshot(scope: Scope, volume: string, name: string): Promise<VolumeSnapshotView> {
    const { sizeBytes } = await this.get(scope, volume)
    const snapshot = { volume, name, sizeBytes, createdAt: new Date() }
    this.taken.push(snapshot)
    return snapshot
  }

  async removeSnapshot(_scope: Scope, volume: string, name: string): Promise<void> {
    const at = this.taken.findIndex((one) => one.volume === volume && one.name === name)
    if (at < 0) throw notFound('no_such_snapshot', `get ${volume}: no such snapshot: ${name}`)
    this.taken.splice(at, 1)
  }

  async restore(scope: Scope, name: string, snapshot: string): Promise<void> {
    await this.get(scope, name)
    this.asked.push({ restore: name, snapshot })
  }

  async clone(scope: Scope, name: string, target: { name: string; snapshot?: string }): Promise<VolumeView> {
    this.asked.push({ clone: name, ...target })
    const { labels, options } = await this.get(scope, name)
    return this.create(scope, { name: target.name, driver: '', labels, options })
  }
}
