/**
 * The end of a container's process. Between the exit and the answer to those who wait for it there is only what must be
 * there: the last output written, the published ports free again, the state stored. The sandbox ends after that.
 */
import { messageOf } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { dateOf } from './clock.ts'
import { type EngineContext, tell } from './context.ts'
import { healthAtEnd } from './health-rules.ts'
import { follow } from './lifecycle.ts'
import type { ContainerPort } from './model.ts'
import { tellPort } from './networks/events.ts'
import type { ContainerOwner } from './owner.ts'
import { forget, sweepRemoved } from './remove.ts'
import { scheduleRestart } from './restart.ts'
import { restartsAfterExit } from './restart-policy.ts'
import type { Run } from './run.ts'
import { SIGKILL } from './signals.ts'
import { unmountDeadlineMs } from './volumes/attach.ts'
import { tellMounts } from './volumes/events.ts'
import { hasUnwritten } from './volumes/unwritten.ts'

export interface RecordedExit {
  readonly code: number
  readonly oomKilled: boolean
  readonly at: Date
  /** When the exit code is not the process's own. */
  readonly error: string
}

/** What dockerd says of a container whose end nobody saw. */
export const unknownExitCode = 255
const execsSettleMs = 2 * secondMs

/** The exit is recorded when it comes; never before the start that is being recorded now. */
export function watchExit(context: EngineContext, owner: ContainerOwner, run: Run, again: () => Run): void {
  const exit = run.process!.exited.then(
    ({ code, oomKilled, at }): RecordedExit => ({ code, oomKilled, at, error: '' }),
    (error): RecordedExit => ({
      code: run.killed ? 128 + SIGKILL : unknownExitCode,
      oomKilled: false,
      at: dateOf(context.clock.nowNano()),
      error: run.killed ? '' : `the sandbox ended before its container: ${messageOf(error)}`,
    }),
  )
  const recorded = exit.then(async (how) => {
    if (!context.isClosing) await owner.queue.run(() => recordExit(context, owner, run, { ...how, again }))
  })
  recorded.catch((error) => {
    context.log.error({ container: owner.id, error: messageOf(error) }, 'an exit could not be recorded')
    run.ended.resolve()
  })
}

async function recordExit(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  exit: RecordedExit & { readonly again: () => Run },
): Promise<void> {
  const { spec, state } = owner.container
  run.outputEnded = true
  void run.health?.stop()
  await owner.log.endRun()
  const { restartCount } = state
  const stoppedByUser = run.stoppedByUser
  const restarts =
    !run.restartAsked &&
    restartsAfterExit(spec.restartPolicy, { code: exit.code, restartCount, stoppedByUser })
  const status = follow(owner.status, 'exited', { ranBefore: true, restarts })
  if (!status) return
  const ranMs = exit.at.getTime() - (state.startedAt?.getTime() ?? exit.at.getTime())
  const { code: exitCode, oomKilled, error } = exit
  owner.run = null
  owner.change({ ports: [] })
  const health = healthAtEnd(state.health)
  owner.changeState({
    status,
    exitCode,
    oomKilled,
    finishedAt: exit.at,
    stoppedByUser,
    stop: null,
    pid: 0,
    health,
  })
  // Of one that could not be removed it is told why.
  if (status !== 'dead') owner.changeState({ error })
  await releasePorts(
    context,
    owner,
    run.ports.filter(({ published }) => published.length > 0),
  )
  const execDuration = String(Math.max(0, Math.floor(ranMs / secondMs)))
  tell(context, owner.container, 'die', { exitCode: String(exitCode), execDuration })
  for (const port of run.ports) tellPort(context, owner.container, port, 'disconnect')

  const removesItself = status === 'exited' && spec.autoRemove && !run.restartAsked
  if (removesItself) run.dropsAnonymous = true
  const mustUnmount = hasUnwritten(context, owner, run)
  try {
    if (removesItself && mustUnmount) {
      // The next daemon must find the sandbox by its container, to let it write.
      owner.changeState({ status: 'removing' })
      await owner.save()
    } else if (removesItself) await forget(context, owner, { volumes: true })
    else if (status === 'restarting') await scheduleRestart(context, owner, { ranMs, again: exit.again })
    else if (status === 'exited') await owner.save()
  } catch (error) {
    // Who waits for the exit, and what the run holds, must not wait for a disk to have room.
    context.log.error({ container: owner.id, error: messageOf(error) }, 'an exit could not be stored')
    if (removesItself) owner.changeState({ status: 'dead', error: messageOf(error) })
  }
  if (status !== 'restarting') owner.waiters.exited({ exitCode, error: '' })
  run.ended.resolve()
  beginTeardown(context, owner, run, {
    discard: !mustUnmount && (removesItself || status === 'removing' || status === 'dead'),
  })
  if (removesItself) sweepRemoved(context, owner)
}

async function releasePorts(
  { options, log }: EngineContext,
  owner: ContainerOwner,
  ports: readonly Pick<ContainerPort, 'id'>[],
): Promise<void> {
  const released = await Promise.allSettled(ports.map(({ id }) => options.networks.deletePort(id)))
  for (const outcome of released) {
    if (outcome.status === 'fulfilled') continue
    log.error({ container: owner.id, error: messageOf(outcome.reason) }, 'a port could not be released')
  }
}

/** The card that it was made with goes with the sandbox. */
async function deleteFurtherNics({ options, log }: EngineContext, owner: ContainerOwner): Promise<void> {
  const nics = Object.values(owner.container.sandbox?.nics ?? {})
  const deleted = await Promise.allSettled(nics.map((nic) => options.networks.deleteNic(nic)))
  for (const outcome of deleted) {
    if (outcome.status === 'fulfilled') continue
    // The next daemon finds it without a port, and deletes it.
    log.error({ container: owner.id, error: messageOf(outcome.reason) }, 'a card could not be deleted')
  }
}

/** `discard`: nobody will read its disk again. */
export function beginTeardown(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  how: { readonly discard: boolean },
): void {
  // No packet is for it any more, and its networks may be removed as soon as its exit is known.
  const left = releasePorts(context, owner, run.ports)
  context.leaving.add(left)
  context.volumes.attachments.leave(owner.id)
  owner.hurryTeardown = async () => {
    // What it wrote to volumes that stay has to come there first.
    if (!hasUnwritten(context, owner, run)) await run.killSandbox()
  }
  owner.teardown = tearDown(context, owner, run, { ...how, left })
  context.background.add(owner.teardown)
}

async function tearDown(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  { discard, left }: { readonly discard: boolean; readonly left: Promise<void> },
): Promise<void> {
  owner.execs.forgetUnstarted()
  await owner.execs.settled(run, execsSettleMs)
  if (!discard && !run.killed) await run.fileUses.settled(run.filesPatienceMs)
  try {
    // A guest that was paused when its process ended has to run to write its disk.
    if (run.frozen) await run.sandbox?.resume()
    if (discard || run.killed) await run.sandbox?.kill()
    else
      await run.sandbox?.shutdown(hasUnwritten(context, owner, run) ? { deadlineMs: unmountDeadlineMs } : {})
  } catch (error) {
    context.log.error({ container: owner.id, error: messageOf(error) }, 'a sandbox could not be ended')
  }
  await left
  await deleteFurtherNics(context, owner)
  tellMounts(context, owner.container, 'unmount')
  await context.volumes.detach(owner.id)
  owner.change({ sandbox: null })
}
