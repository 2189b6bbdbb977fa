/** What is done to a volume while a sandbox has it. */
import { conflict, hasCode } from '../../lib/errors.ts'
import { shortId } from '../../lib/ids.ts'
import type { EngineContext } from '../context.ts'
import type { Sandbox } from '../ports/sandbox.ts'
import type { LiveCopy } from '../ports/volumes.ts'
import type { Attachment, Holder } from './attachments.ts'
import { wantsOf } from './wants.ts'

/** The sandbox of a container, and what its guest calls the volume. Rejects when it cannot be spoken to. */
function diskOf(
  { registry }: EngineContext,
  volume: string,
  holder: Holder,
): { readonly sandbox: Sandbox; readonly disk: string } {
  const owner = registry.get(holder.id)
  const run = owner?.run
  const at = owner ? wantsOf(owner.container.spec.mounts).findIndex(({ id }) => id === volume) : -1
  const disk = run?.sandbox?.handle.volumes?.[at]?.disk
  const who = `container ${holder.name} (${shortId(holder.id)})`
  if (!run?.sandbox || disk === undefined) {
    throw conflict(
      'volume_in_use',
      `the volume is attached to ${who}, which is starting or ending: try again in a moment`,
    )
  }
  if (run.frozen) {
    throw conflict('paused', `the volume is attached to ${who}, which is paused: unpause it first`)
  }
  return { sandbox: run.sandbox, disk }
}

/** The guest writes out what it holds, and runs on; the copy is of that moment. */
export function liveCopyOf(context: EngineContext, { volume, holder }: Attachment): LiveCopy {
  const { sandbox, disk } = diskOf(context, volume, holder)
  return (targetPath) => sandbox.copyVolume(disk, targetPath)
}

/** Those who only read see a larger disk when they attach it next. */
export function writersOf(
  context: EngineContext,
  volume: string,
): readonly { readonly grow: (bytes: number) => Promise<void> }[] {
  return context.volumes.attachments
    .of(volume)
    .filter(({ leaving, readOnly }) => !leaving && !readOnly)
    .map(({ holder }) => {
      const { sandbox, disk } = diskOf(context, volume, holder)
      return {
        grow: (bytes) =>
          sandbox.growVolume(disk, bytes).catch((error) => {
            // It ended just now: the file system grows when it is mounted next.
            if (!hasCode(error, 'sandbox_gone')) throw error
          }),
      }
    })
}
