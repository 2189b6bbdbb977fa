/** Stops all containers because the daemon ends, as dockerd does: nobody asked for it, so their restart policies start them with the next. */
import { messageOf } from '../lib/errors.ts'
import type { EngineContext } from './context.ts'
import { isLive } from './lifecycle.ts'
import type { ContainerOwner } from './owner.ts'
import { stopContainer } from './stop.ts'

/** Each has its own stop signal and grace. One that cannot be stopped is told of, and runs on. */
export async function drainEngine(context: EngineContext): Promise<void> {
  const running = context.registry.all().filter(({ status }) => isLive(status) || status === 'restarting')
  context.log.info({ containers: running.length }, 'stopping all containers')
  await Promise.all(running.map((owner) => drain(context, owner)))
}

async function drain(context: EngineContext, owner: ContainerOwner): Promise<void> {
  const { stoppedByUser } = owner.container.state
  try {
    await stopContainer(context, owner, {})
    if (stoppedByUser) return
    await owner.queue.run(async () => {
      if (owner.status !== 'exited') return
      owner.changeState({ stoppedByUser: false })
      await owner.save()
    })
  } catch (error) {
    context.log.warn({ container: owner.id, error: messageOf(error) }, 'a container could not be stopped')
  }
}
