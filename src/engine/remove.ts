/** Removing containers: by request, by themselves when they have exited, and all that are stopped. */
import { rm } from 'node:fs/promises'
import { within } from '../lib/deadline.ts'
import { kindOf, messageOf } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { type EngineContext, tell } from './context.ts'
import { isUp } from './lifecycle.ts'
import type { Container } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import type { Run } from './run.ts'
import { SIGKILL } from './signals.ts'
import { writableBytes } from './stats.ts'
import { forceEnd } from './stop.ts'
import { hasUnwritten } from './volumes/unwritten.ts'

/** QEMU ends at once when it is killed; its end has to be noticed and recorded. */
const killDeadlineMs = 20 * secondMs

export async function removeContainer(
  context: EngineContext,
  owner: ContainerOwner,
  { force, volumes = false }: { readonly force: boolean; readonly volumes?: boolean },
): Promise<void> {
  let opened = false
  await owner.perform(force ? 'force_remove' : 'remove', () => {
    owner.cancelRestart()
    opened = owner.closeFiles({ now: true })
    owner.changeState({ status: 'removing' })
  })
  try {
    const { run } = owner
    if (run) {
      run.stoppedByUser = true
      run.dropsAnonymous = volumes
      tell(context, owner.container, 'kill', { signal: String(SIGKILL) })
      if (hasUnwritten(context, owner, run)) await endProcess(context, owner, run)
      else await within(run.killSandbox(), killDeadlineMs, `killing the sandbox of ${owner.container.name}`)
      await within(run.ended.promise, killDeadlineMs, `the end of container ${owner.container.name}`)
    }
    if (opened || hasUnwritten(context, owner, { dropsAnonymous: volumes })) await owner.teardown
    await owner.queue.run(() => forget(context, owner, { volumes }))
  } catch (error) {
    owner.changeState({ status: 'dead', error: messageOf(error) })
    throw error
  }
  await owner.hurryTeardown().catch((error) => {
    context.log.warn({ container: owner.id, error: messageOf(error) }, 'a sandbox could not be killed')
  })
  await discard(context, owner)
}

/** The guest has to run to write what it holds of volumes. */
async function endProcess(context: EngineContext, owner: ContainerOwner, run: Run): Promise<void> {
  if (run.frozen) {
    await run.sandbox?.resume()
    run.frozen = false
  }
  await forceEnd(context, owner, run)
}

/**
 * In the owner's queue: from now on it does not exist. Its files go later; its anonymous volumes now, so that who hears of the
 * removal finds them gone.
 */
export async function forget(
  context: EngineContext,
  owner: ContainerOwner,
  { volumes }: { readonly volumes: boolean },
): Promise<void> {
  owner.changeState({ status: 'removing' })
  const anonymous = owner.container.spec.mounts.filter((mount) => mount.anonymous).map(({ volume }) => volume)
  if (volumes) await context.volumes.removeAnonymous(owner.id, new Set(anonymous))
  await context.options.containers.remove(owner.id)
  context.registry.remove(owner)
  context.volumes.forget(owner.id)
  const { state } = owner.container
  tell(context, owner.container, 'destroy')
  owner.execs.clear()
  for (const attachment of owner.attachments) attachment.end()
  owner.waiters.removed({ exitCode: state.exitCode, error: '' })
}

/** The rest of a container that removed itself goes in the background. */
export function sweepRemoved(context: EngineContext, owner: ContainerOwner): void {
  context.background.add(finishRemoval(context, owner))
}

/** Of one that is there still it goes when its volumes have what it wrote. */
async function finishRemoval(context: EngineContext, owner: ContainerOwner): Promise<void> {
  await owner.teardown
  if (context.registry.has(owner.id) && owner.status === 'removing') {
    if (context.isClosing) return
    const { autoRemove: volumes } = owner.container.spec
    try {
      await owner.queue.run(() => forget(context, owner, { volumes }))
    } catch (error) {
      owner.changeState({ status: 'dead', error: messageOf(error) })
      throw error
    }
  }
  await discard(context, owner)
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
