/** `docker diff`: what a container has over its image. */
import type { EngineContext } from '../context.ts'
import type { ContainerOwner } from '../owner.ts'
import type { FileChange } from '../ports/files.ts'
import { openFiles } from './access.ts'
import { explained } from './errors.ts'

/** Made, or written to, so that `hosts` and its like can be mounted in it. dockerd does that in a layer of its own. */
const ownParents = ['/etc']

export async function* containerChanges(
  context: EngineContext,
  owner: ContainerOwner,
): AsyncGenerator<FileChange> {
  await using access = await openFiles(context, owner)
  const changes = explained(access.files.changes(owner.id), { path: '/', ref: owner.container.name })
  yield* withoutOwn(changes)
}

/** A directory that is there for mounts alone is told of only when something else in it has changed. */
export async function* withoutOwn(changes: AsyncIterable<FileChange>): AsyncGenerator<FileChange> {
  let held: FileChange | undefined
  for await (const change of changes) {
    if (held && change.path.startsWith(`${held.path}/`)) yield held
    held = undefined
    if (ownParents.includes(change.path) && change.kind !== 'deleted') held = { ...change, kind: 'modified' }
    else yield change
  }
}
