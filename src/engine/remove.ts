/** Removing containers: by request, by themselves when they have exited, and all that are stopped. */
import { rm } from 'node:fs/promises'
import { within } from '../lib/deadline.ts'
import { kindOf, messageOf } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { type EngineContext, tell } from './context.ts'
import { isUp } from './lifecycle.ts'
import type { Container } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import { SIGKILL } from './signals.ts'
import { writableBytes } from './stats.ts'

/** QEMU ends at once when it is killed; its end has to be noticed and recorded. */
const killDeadlineMs = 20 * secondMs

export async function removeContainer(
  context: EngineContext,
  owner: ContainerOwner,
  { force }: { readonly force: boolean },
): Promise<void> {
  await owner.perform(force ? 'force_remove' : 'remove', () => {
    owner.cancelRestart()
    owner.changeState({ status: 'removing' })
  })
  try {
    const { run } = owner
    if (run) {
      run.stoppedByUser = true
      tell(context, owner.container, 'kill', { signal: String(SIGKILL) })
      await within(run.killSandbox(), killDeadlineMs, `killing the sandbox of ${owner.container.name}`)
      await within(run.ended.promise, killDeadlineMs, `the end of container ${owner.container.name}`)
    }
    await owner.queue.run(() => forget(context, owner))
  } catch (error) {
    owner.changeState({ status: 'dead', error: messageOf(error) })
    throw error
  }
  await owner.hurryTeardown().catch((error) => {
    context.log.warn({ container: owner.id, error: messageOf(error) }, 'a sandbox could not be killed')
  })
  await discard(context, owner)
}

/** In the owner's queue: from now on it does not exist. Its files go later. */
export async function forget(context: EngineContext, owner: ContainerOwner): Promise<void> {
  owner.changeState({ status: 'removing' })
  await context.options.containers.remove(owner.id)
  context.registry.remove(owner)
  const { state } = owner.container
  tell(context, owner.container, 'destroy')
  owner.execs.clear()
  for (const attachment of owner.attachments) attachment.end()
  owner.waiters.removed({ exitCode: state.exitCode, error: '' })
}

/** The files of a container that removed itself go in the background. */
export function sweepRemoved(context: EngineContext, owner: ContainerOwner): void {
  context.background.add(discard(context, owner))
}

/** Files that cannot be removed now are found by the next daemon. */
async function discard(context: EngineContext, owner: ContainerOwner): Promise<void> {
  try {
    await owner.teardown
    await owner.log.remove()
    await rm(owner.directory, { recursive: true, force: true })
  } catch (error) {
    context.log.warn(
      { directory: owner.directory, error: messageOf(error) },
      'files of a removed container are left',
    )
  }
}

export async function pruneContainers(
  context: EngineContext,
  project: string,
  matches: (container: Container) => boolean,
): Promise<{ ids: readonly string[]; bytes: number }> {
  const ids: string[] = []
  let bytes = 0
  for (const owner of context.registry.ofProject(project)) {
    if (isUp(owner.status) || owner.status === 'removing' || !matches(owner.container)) continue
    const size = await writableBytes(owner)
    try {
      await removeContainer(context, owner, { force: false })
    } catch (error) {
      // Started or removed by somebody else a moment ago.
      if (kindOf(error) === 'conflict') continue
      throw error
    }
    ids.push(owner.id)
    bytes += size
  }
  return { ids, bytes }
}
