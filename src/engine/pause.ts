/**
 * Freezing a container is stopping its sandbox's CPUs: everything in it stands still, its clock too. Its processes are frozen
 * before that, so that the guest can be let run for a moment, for its files or for the next daemon, and they do not.
 */
import { within } from '../lib/deadline.ts'
import { messageOf } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { type EngineContext, tell } from './context.ts'
import type { ContainerOwner } from './owner.ts'
import type { Run } from './run.ts'

const lastLookMs = 2 * secondMs

export async function pauseContainer(context: EngineContext, owner: ContainerOwner): Promise<void> {
  await owner.perform('pause', async () => {
    const run = owner.run!
    const sandbox = run.sandbox!
    // A frozen guest cannot tell how it is, and `docker stats` asks all the same.
    run.frozenStats = await within(sandbox.stats(owner.id), lastLookMs, 'the statistics').catch((error) => {
      context.log.debug({ container: owner.id, error: messageOf(error) }, 'no statistics before the pause')
      return null
    })
    await sandbox.freeze(owner.id)
    // Who reads its files needs the guest a little longer.
    if (!run.fileUses.any) await sandbox.pause()
    run.frozen = true
    owner.changeState({ status: 'paused' })
    await owner.save()
  })
  tell(context, owner.container, 'pause')
}

export async function unpauseContainer(context: EngineContext, owner: ContainerOwner): Promise<void> {
  const outcome = await owner.perform('unpause', async () => {
    const run = owner.run!
    await resume(context, owner, run)
    await owner.save()
    return run
  })
  tell(context, owner.container, 'unpause')
  if (!outcome.done) return
  for (const signal of outcome.value.heldSignals) await outcome.value.signal(signal)
  outcome.value.heldSignals.clear()
}

/** In the queue. */
export async function resume(context: EngineContext, owner: ContainerOwner, run: Run): Promise<void> {
  await run.sandbox!.resume()
  await run.sandbox!.thaw(owner.id)
  run.frozen = false
  run.frozenStats = null
  owner.changeState({ status: 'running' })
  const limits = run.heldLimits
  run.heldLimits = null
  // It runs all the same, and may be about to be stopped.
  await (limits && run.sandbox!.updateContainer(owner.id, limits))?.catch((error) => {
    context.log.warn({ container: owner.id, error: messageOf(error) }, 'a guest did not take its new limits')
  })
}
