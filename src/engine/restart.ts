/** Starting a container again because its restart policy says so. */
import { messageOf } from '../lib/errors.ts'
import type { EngineContext } from './context.ts'
import { follow } from './lifecycle.ts'
import type { ContainerOwner } from './owner.ts'
import { nextDelayMs } from './restart-policy.ts'
import type { Run } from './run.ts'

/** In the owner's queue: from now on it is restarting. */
export async function scheduleRestart(
  context: EngineContext,
  owner: ContainerOwner,
  last: { readonly ranMs: number; readonly again: () => Run },
): Promise<void> {
  const delayMs = nextDelayMs(owner.restart.delayMs, last.ranMs)
  const { restartCount } = owner.container.state
  owner.changeState({ status: 'restarting', restartCount: restartCount + 1 })
  await owner.save()
  owner.restart = {
    delayMs,
    timer: setTimeout(() => context.background.add(due(context, owner, last.again)), delayMs),
  }
}

async function due(context: EngineContext, owner: ContainerOwner, again: () => Run): Promise<void> {
  if (context.isClosing) return
  await owner.queue.run(async () => {
    if (follow(owner.status, 'restart_due', { ranBefore: true, restarts: true }) !== 'starting') return
    again().started.promise.catch((error) => {
      context.log.warn({ container: owner.id, error: messageOf(error) }, 'a container could not be restarted')
    })
  })
}
