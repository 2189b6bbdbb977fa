/**
 * From the mounts of a container to the disks its sandbox needs, and back to what the guest is to mount: a volume that is mounted
 * at several places is one disk.
 */
import type { ContainerMount } from '../model.ts'
import type { AttachedVolume, GuestMount } from '../ports/sandbox.ts'

export interface WantedVolume {
  readonly id: string
  readonly name: string
  /** Nobody writes to it through any of the places. */
  readonly readOnly: boolean
  /** Where what the image has is wanted in it, when it is new. */
  readonly copyUpAt: string | undefined
}

/** In the order of the first place of each. */
export function wantsOf(mounts: readonly ContainerMount[]): readonly WantedVolume[] {
  const wants = new Map<string, WantedVolume>()
  for (const mount of mounts) {
    const known = wants.get(mount.volume)
    const copyUpAt = copiesUp(mount) ? mount.destination : undefined
    wants.set(mount.volume, {
      id: mount.volume,
      name: mount.name,
      readOnly: mount.readOnly && (known?.readOnly ?? true),
      copyUpAt: known?.copyUpAt ?? copyUpAt,
    })
  }
  return [...wants.values()]
}

/** A directory inside of the volume has been made by somebody, who knows what is to be in it. */
const copiesUp = ({ noCopy, subpath }: ContainerMount) => !noCopy && subpath === undefined

/** What users see of a volume is below this: the root of its disk has lost+found. */
const dataPath = '/_data'

/** `attached`: the disks of a sandbox that was claimed with what `wantsOf` says of these mounts. */
export function guestMountsOf(
  mounts: readonly ContainerMount[],
  attached: readonly AttachedVolume[],
): readonly GuestMount[] {
  const wants = wantsOf(mounts)
  return mounts.map((mount) => ({
    disk: attached[wants.findIndex(({ id }) => id === mount.volume)]!.disk,
    sourcePath: mount.subpath === undefined ? dataPath : `${dataPath}/${mount.subpath}`,
    path: mount.destination,
    readOnly: mount.readOnly,
    copyUp: !mount.readOnly && copiesUp(mount),
  }))
}
