/** Which volumes a new container has, and where: of other containers, of the request, of the image, in dockerd's order. */
import { posix } from 'node:path'
import { invalid, kindOf, messageOf } from '../../lib/errors.ts'
import type { EngineContext } from '../context.ts'
import type { ContainerMount, ContainerRequest, MountRequest } from '../model.ts'

type Asked = Pick<ContainerRequest, 'mounts' | 'anonymousVolumes' | 'volumesFrom' | 'volumeDriver' | 'tmpfs'>

/** Bounds what a container may be made of; a sandbox has slots for far fewer disks. */
const mountsMax = 64

/**
 * Volumes that are not there are made; `container` refers to all of them. What it makes of a request that fails is for the caller
 * to give back: `VolumeKeeper.forget`, and removal of the anonymous ones.
 */
export async function resolveMounts(
  context: EngineContext,
  { id, project }: { readonly id: string; readonly project: string },
  asked: Asked,
  imageVolumes: readonly string[],
  made: (mount: ContainerMount) => void,
): Promise<readonly ContainerMount[]> {
  const mounts = new Map<string, ContainerMount>()
  const add = (mount: ContainerMount) => {
    mounts.set(mount.destination, mount)
    made(mount)
  }
  checkDestinations(asked, imageVolumes)
  for (const mount of ofOthers(context, project, asked.volumesFrom)) {
    context.volumes.refer(id, [mount.volume])
    add(mount)
  }
  for (const request of asked.mounts) add(await mountOf(context, { id, project }, request))
  const tmpfs = Object.keys(asked.tmpfs).map(cleanPath)
  for (const path of new Set([...asked.anonymousVolumes, ...imageVolumes].map(anonymousPath))) {
    if (mounts.has(path) || tmpfs.includes(path)) continue
    const request = { ...plain, driver: asked.volumeDriver, destination: path }
    add(await mountOf(context, { id, project }, request))
  }
  return [...mounts.values()]
}

const plain: Omit<MountRequest, 'destination' | 'driver'> = {
  ...{ readOnly: false, noCopy: false, labels: {}, options: {}, mode: '' },
}

export const cleanPath = (path: string): string => posix.join('/', path, '.').replace(/(.)\/$/, '$1')

function anonymousPath(path: string): string {
  if (path === '' || cleanPath(path) === '/') {
    throw invalid('bad_mount', "invalid specification: destination can't be '/'")
  }
  return cleanPath(path)
}

/** Before anything is made. In dockerd's words. */
function checkDestinations(
  { mounts, anonymousVolumes, volumesFrom, tmpfs }: Asked,
  imageVolumes: readonly string[],
): void {
  const count = mounts.length + anonymousVolumes.length + volumesFrom.length + imageVolumes.length
  if (count > mountsMax) throw invalid('too_many', `a container can have ${mountsMax} mounts at most`)
  const taken = new Set(Object.keys(tmpfs).map(cleanPath))
  for (const { destination } of mounts) {
    if (taken.has(destination)) throw invalid('duplicate_mount', `Duplicate mount point: ${destination}`)
    taken.add(destination)
  }
}

function* ofOthers(
  { registry }: EngineContext,
  project: string,
  others: ContainerRequest['volumesFrom'],
): Iterable<ContainerMount> {
  for (const { container, readOnly } of others) {
    let spec: { readonly mounts: readonly ContainerMount[] }
    try {
      spec = registry.find(project, container).container.spec
    } catch (error) {
      // Not the container that is asked for is missing, but one that it names.
      if (kindOf(error) !== 'not_found') throw error
      throw invalid('no_such_container', messageOf(error))
    }
    for (const mount of spec.mounts) {
      yield { ...mount, readOnly: mount.readOnly || readOnly, noCopy: true, mode: '' }
    }
  }
}

async function mountOf(
  { volumes }: EngineContext,
  { id, project }: { readonly id: string; readonly project: string },
  request: MountRequest,
): Promise<ContainerMount> {
  const { volume: name, destination, readOnly, noCopy, subpath, mode, driver, labels, options } = request
  const volume =
    name === undefined
      ? await volumes.createAnonymous(project, { driver, labels, options }, id)
      : await volumes.ensure(project, name, { driver, labels, options }, id)
  return {
    ...{ destination, readOnly, noCopy, mode },
    volume: volume.id,
    name: volume.name,
    anonymous: name === undefined,
    ...(subpath === undefined ? {} : { subpath }),
  }
}
