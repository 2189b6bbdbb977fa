/** `docker export`: all files of a container as one tar, without what is mounted in it. */
import { conflict } from '../../lib/errors.ts'
import { type EngineContext, tell } from '../context.ts'
import type { ContainerOwner } from '../owner.ts'
import { openFiles } from './access.ts'
import { explained } from './errors.ts'
import { tarOf } from './tar-out.ts'

/** Opened before it resolves; the content is to be read to its end, or given up. */
export async function exportContainer(
  context: EngineContext,
  owner: ContainerOwner,
): Promise<AsyncDisposable & { readonly content: AsyncIterable<Buffer> }> {
  refuseEnding(owner, 'export')
  const access = await openFiles(context, owner)
  const records = access.files.read(owner.id, '/', { oneFileSystem: true })
  // The root itself has no entry.
  const tar = tarOf(explained(records, { path: '/', ref: owner.container.name }), (path) =>
    path === '' ? undefined : path,
  )
  return {
    content: telling(tar, () => tell(context, owner.container, 'export')),
    [Symbol.asyncDispose]: () => access[Symbol.asyncDispose](),
  }
}

/** In dockerd's words. */
export function refuseEnding({ id, status }: ContainerOwner, what: 'export' | 'commit'): void {
  if (status === 'dead') throw conflict('dead', `You cannot ${what} container ${id} which is Dead`)
  if (status === 'removing') {
    throw conflict('removing', `You cannot ${what} container ${id} which is being removed`)
  }
}

async function* telling(content: AsyncIterable<Buffer>, whole: () => void): AsyncGenerator<Buffer> {
  yield* content
  whole()
}
