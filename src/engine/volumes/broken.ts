/** A guest speaks of disks; who has to do something about one knows it as a volume. */
import { conflict, hasCode, messageOf } from '../../lib/errors.ts'
import type { ContainerMount } from '../model.ts'
import type { AttachedVolume } from '../ports/sandbox.ts'
import { wantsOf } from './wants.ts'

/** What the guest says of a volume that it cannot mount, by the volume's name; anything else as it is. */
export function blameVolume(
  error: unknown,
  mounts: readonly ContainerMount[],
  attached: readonly AttachedVolume[],
): unknown {
  if (!hasCode(error, 'guest_refused')) return error
  const said = messageOf(error)
  const at = attached.findIndex(({ disk }) => new RegExp(`\\b${disk}\\b`).test(said))
  const volume = wantsOf(mounts)[at]
  if (!volume) return error
  return conflict(
    'broken_volume',
    `volume ${volume.name} cannot be mounted: ${said}; if its file system is broken, restore a snapshot of it or remove it`,
    { cause: error },
  )
}
