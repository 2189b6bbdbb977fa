/** The volumes of the engine as the front doors see them. */
import { invalid, kindOf, notFound } from '../../lib/errors.ts'
import type { EngineContext } from '../context.ts'
import type { LiveCopy, Volume, VolumeSnapshot } from '../ports/volumes.ts'
import type { Attachment } from './attachments.ts'
import { liveCopyOf, writersOf } from './live.ts'
import { checkSnapshotName, checkVolumeName } from './names.ts'

interface Scope {
  readonly project: string
}

export interface NewVolumeRequest {
  /** undefined: one is made up, and the volume is anonymous. */
  readonly name?: string
  readonly driver: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

export interface VolumeView extends Volume {
  /** Ids of the containers that name it. */
  readonly containers: readonly string[]
  /** Who has it now. */
  readonly attachments: readonly { readonly id: string; readonly name: string; readonly readOnly: boolean }[]
}

export type Volumes = ReturnType<typeof createVolumes>

export function createVolumes(context: EngineContext) {
  const { volumes } = context
  const { provider } = volumes
  const viewOf = (volume: Volume): VolumeView => ({
    ...volume,
    containers: volumes.usersOf(volume.id),
    attachments: volumes.attachments
      .of(volume.id)
      .map(({ holder: { id, name }, readOnly }) => ({ id, name, readOnly })),
  })
  return {
    limits: provider.limits,
    /** One of that name that is there already is answered as it is, like dockerd does. */
    async create({ project }: Scope, request: NewVolumeRequest): Promise<VolumeView> {
      const { name } = request
      return viewOf(
        name === undefined
          ? await volumes.createAnonymous(project, request)
          : await volumes.ensure(project, name, request),
      )
    },
    async get({ project }: Scope, name: string): Promise<VolumeView> {
      return viewOf(volumes.get(project, name))
    },
    /** Oldest first. */
    async list({ project }: Scope): Promise<readonly VolumeView[]> {
      return volumes.ofProject(project).map(viewOf)
    },
    async remove({ project }: Scope, name: string): Promise<void> {
      await volumes.remove(project, name)
    },
    async prune(scope: Scope, matches: (volume: Volume) => boolean) {
      return prune(context, scope.project, matches)
    },
    /** Bytes of the host's disk. */
    async usedBytes({ project }: Scope, name: string): Promise<number> {
      return provider.usedBytes(volumes.get(project, name).id)
    },
    /** Of one that is attached its file system is larger when this resolves; of another when it is mounted next. */
    async grow({ project }: Scope, name: string, sizeBytes: number): Promise<VolumeView> {
      return volumes.exclusively(project, name, async () => {
        const { id } = volumes.get(project, name)
        const guests = writersOf(context, id)
        const grown = await provider.grow(id, sizeBytes)
        for (const guest of guests) await guest.grow(grown.sizeBytes)
        return viewOf(grown)
      })
    },
    ...snapshots(context, viewOf),
  }
}

function snapshots(context: EngineContext, viewOf: (volume: Volume) => VolumeView) {
  const { volumes } = context
  const { provider } = volumes
  const ofVolume = (project: string, name?: string) =>
    provider
      .snapshots()
      .filter((one) => one.project === project && (name === undefined || one.volume === name))
  const find = (project: string, volume: string, name: string): VolumeSnapshot => {
    const found = ofVolume(project, volume).find((one) => one.name === name)
    if (!found) throw notFound('no_such_snapshot', `get ${volume}: no such snapshot: ${name}`)
    return found
  }
  return {
    /** Of all volumes, also those that are gone, unless it is said which. */
    async snapshots({ project }: Scope, volume?: string): Promise<readonly VolumeSnapshot[]> {
      return ofVolume(project, volume)
    },
    async snapshotUsedBytes({ project }: Scope, volume: string, name: string): Promise<number> {
      return provider.snapshotUsedBytes(find(project, volume, name).id)
    },
    /** Of what is in it at one moment; a container that writes to it runs on. */
    async snapshot({ project }: Scope, volume: string, name: string): Promise<VolumeSnapshot> {
      checkSnapshotName(name)
      return volumes.exclusively(project, volume, async () => {
        const { id } = volumes.get(project, volume)
        return provider.snapshot(id, name, await copying(context, id))
      })
    },
    async removeSnapshot({ project }: Scope, volume: string, name: string): Promise<void> {
      await volumes.exclusively(project, volume, () =>
        provider.removeSnapshot(find(project, volume, name).id),
      )
    },
    /** Of one that nobody has attached. */
    async restore({ project }: Scope, name: string, snapshot: string): Promise<void> {
      await volumes.exclusively(project, name, async () => {
        const volume = volumes.get(project, name)
        const { id } = find(project, name, snapshot)
        await volumes.free(volume)
        await provider.restore(volume.id, id)
      })
    },
    /** A volume of its own, with what another has now or had when a snapshot was taken. */
    async clone(
      { project }: Scope,
      name: string,
      target: { readonly name: string; readonly snapshot?: string },
    ): Promise<VolumeView> {
      checkVolumeName(target.name)
      if (target.name === name) throw invalid('same_name', `volume ${name} cannot be a clone of itself`)
      const wanted = { project, name: target.name, labels: {}, options: {}, sizeBytes: 0, anonymous: false }
      return volumes.exclusively(project, name, async () => {
        const { snapshot } = target
        const cloned =
          snapshot === undefined
            ? await cloneNow(context, volumes.get(project, name).id, wanted)
            : await provider.cloneSnapshot(find(project, name, snapshot).id, wanted)
        volumes.tell(cloned, 'create')
        return viewOf(cloned)
      })
    },
  }
}

async function cloneNow(
  context: EngineContext,
  id: string,
  wanted: Parameters<EngineContext['volumes']['provider']['clone']>[1],
): Promise<Volume> {
  return context.volumes.provider.clone(id, wanted, await copying(context, id))
}

/** In the queue of its name: how what is in it now can be copied. */
async function copying(context: EngineContext, id: string): Promise<LiveCopy> {
  const { attachments } = context.volumes
  const writer = (): Attachment | undefined => attachments.clash(id, { readOnly: true })
  for (let found = writer(); found; found = writer()) {
    if (!found.leaving) return liveCopyOf(context, found)
    await found.over
  }
  return null
}

async function prune(
  { volumes }: EngineContext,
  project: string,
  matches: (volume: Volume) => boolean,
): Promise<{ names: readonly string[]; bytes: number }> {
  const names: string[] = []
  let bytes = 0
  for (const volume of volumes.ofProject(project)) {
    if (!matches(volume) || volumes.usersOf(volume.id).length > 0) continue
    const size = await volumes.provider.usedBytes(volume.id)
    try {
      await volumes.remove(project, volume.name)
    } catch (error) {
      // Named or removed by somebody else a moment ago.
      const kind = kindOf(error)
      if (kind === 'conflict' || kind === 'not_found') continue
      throw error
    }
    names.push(volume.name)
    bytes += size
  }
  volumes.tellPruned(project, bytes)
  return { names, bytes }
}
