/** What a container wrote over its image, for who makes an image of it step by step. */
import { minuteMs } from '../../lib/units.ts'
import type { EngineContext } from '../context.ts'
import type { ContainerOwner } from '../owner.ts'
import { openFiles } from './access.ts'
import { layerTar } from './layer-tar.ts'

/** As much as an image may hold is read in less. */
const patienceMs = 15 * minuteMs

/**
 * Opened while the container runs, its sandbox stays after its exit until this is disposed of: its layer is read without
 * another one. `read` answers the tar of a layer, of what is there then; without changes one without entries.
 */
export async function openLayer(
  context: EngineContext,
  owner: ContainerOwner,
): Promise<AsyncDisposable & { read(): AsyncIterable<Buffer> }> {
  const access = await openFiles(context, owner, { patienceMs })
  return {
    read: () => layerTar(access.files.layer(owner.id)),
    [Symbol.asyncDispose]: () => access[Symbol.asyncDispose](),
  }
}
