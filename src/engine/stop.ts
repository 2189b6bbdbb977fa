/** Signals, and the patience with what they lead to. */
import { within } from '../lib/deadline.ts'
import { kindOf, messageOf } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { dateOf } from './clock.ts'
import { type EngineContext, tell } from './context.ts'
import { denial } from './lifecycle.ts'
import type { StopWish } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import { resume } from './pause.ts'
import type { Run } from './run.ts'
import { parseSignal, SIGKILL } from './signals.ts'
import { beginStart, startContainer } from './start.ts'

export interface StopOptions {
  readonly signal?: string
  /** -1: for ever. */
  readonly timeoutSeconds?: number
}

const defaultTimeoutSeconds = 10
/** How long a guest may take to end a killed process before its sandbox is ended instead. */
const killPatienceMs = 10 * secondMs

export async function stopContainer(
  context: EngineContext,
  owner: ContainerOwner,
  options: StopOptions,
): Promise<void> {
  const signal = parseSignal(options.signal ?? owner.container.spec.stopSignal)
  const graceMs = graceOf(owner, options)
  const outcome = await owner.perform('stop', () =>
    owner.status === 'restarting'
      ? giveUpRestart(owner)
      : beginStop(context, owner, { signal, graceMs, restart: false }),
  )
  const run = outcome.done ? outcome.value : outcome.join
  if (run) await finishStop(context, owner, run, { signal, graceMs })
  tell(context, owner.container, 'stop')
}

export async function restartContainer(
  context: EngineContext,
  owner: ContainerOwner,
  options: StopOptions,
): Promise<void> {
  const signal = parseSignal(options.signal ?? owner.container.spec.stopSignal)
  const graceMs = graceOf(owner, options)
  const outcome = await owner.perform('restart', async (to) => {
    if (to === 'starting') return { started: beginStart(context, owner, { byPolicy: false }) }
    const run = await beginStop(context, owner, { signal, graceMs, restart: true })
    run.restartAsked = true
    return { stopping: run }
  })
  const { started, stopping } = outcome.done
    ? { started: undefined, stopping: undefined, ...outcome.value }
    : { started: undefined, stopping: outcome.join }
  if (stopping) {
    stopping.restartAsked = true
    await finishStop(context, owner, stopping, { signal, graceMs })
    tell(context, owner.container, 'stop')
    await startUnlessStarted(context, owner)
  }
  await started?.started.promise
  tell(context, owner.container, 'restart')
}

export async function killContainer(
  context: EngineContext,
  owner: ContainerOwner,
  text: string,
): Promise<void> {
  const signal = parseSignal(text || 'SIGKILL')
  const ends = signal === SIGKILL || signal === parseSignal(owner.container.spec.stopSignal)
  const outcome = await owner.perform('kill', async () => {
    const { run } = owner
    if (owner.status === 'restarting' || !run) return giveUpRestart(owner)
    if (ends && !run.stoppedByUser) {
      await owner.save({ stoppedByUser: true })
      owner.changeState({ stoppedByUser: true })
      run.stoppedByUser = true
    }
    if (owner.status === 'paused') {
      if (!ends) {
        run.heldSignals.add(signal)
        return null
      }
      await resume(context, owner, run)
    }
    return run
  })
  const run = outcome.done ? outcome.value : outcome.join
  tell(context, owner.container, 'kill', { signal: String(signal) })
  if (!run) return
  if (signal === SIGKILL) return forceEnd(context, owner, run)
  if (!(await run.signal(signal))) throw denial('not_running', owner.container)
}

/** In the queue: it stays as it exited. */
async function giveUpRestart(owner: ContainerOwner): Promise<null> {
  owner.cancelRestart()
  owner.changeState({ status: 'exited', stoppedByUser: true })
  await owner.save()
  const { exitCode } = owner.container.state
  owner.waiters.exited({ exitCode, error: '' })
  return null
}

interface Stop {
  readonly signal: number
  readonly graceMs: number
}

function graceOf(owner: ContainerOwner, { timeoutSeconds }: StopOptions): number {
  const seconds = timeoutSeconds ?? owner.container.spec.stopTimeoutSeconds ?? defaultTimeoutSeconds
  return seconds < 0 ? Number.POSITIVE_INFINITY : seconds * secondMs
}

/** In the queue: it lasts from here on, whatever becomes of this daemon. A paused guest has to run to hear the signal. */
async function beginStop(
  context: EngineContext,
  owner: ContainerOwner,
  { signal, graceMs, restart }: Stop & { readonly restart: boolean },
): Promise<Run> {
  const run = owner.run!
  if (owner.status === 'paused') await resume(context, owner, run)
  const nowMs = dateOf(context.clock.nowNano()).getTime()
  const killAt = Number.isFinite(graceMs) ? new Date(nowMs + graceMs) : null
  const stop: StopWish = { signal, signalled: false, killAt, restart }
  const wished = { status: 'stopping', stoppedByUser: true, stop } as const
  await owner.save(wished)
  owner.changeState(wished)
  run.stoppedByUser = true
  return run
}

/** Outside of the queue: the signal, the grace, and what comes after it. */
async function finishStop(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  { signal, graceMs }: Stop,
): Promise<void> {
  tell(context, owner.container, 'kill', { signal: String(signal) })
  const sent = sendStop(owner, run, signal).catch((error) => {
    context.log.warn(
      { container: owner.id, signal, error: messageOf(error) },
      'a guest did not take a signal',
    )
  })
  await endOrForce(context, owner, run, graceMs)
  await sent
}

/** A process that has heard the signal must not hear it again from the next daemon. */
async function sendStop(owner: ContainerOwner, run: Run, signal: number): Promise<void> {
  await run.signal(signal)
  await owner.queue.run(async () => {
    const { stop } = owner.container.state
    if (owner.run !== run || !stop || stop.signalled) return
    owner.changeState({ stop: { ...stop, signalled: true } })
    await owner.save()
  })
}

/** What the last daemon did not come to finish. It goes on in the background: who asked for it is gone. */
export function resumeStop(context: EngineContext, owner: ContainerOwner, run: Run, stop: StopWish): void {
  const { signal, signalled, killAt, restart } = stop
  const nowMs = dateOf(context.clock.nowNano()).getTime()
  const graceMs = killAt ? Math.max(0, killAt.getTime() - nowMs) : Number.POSITIVE_INFINITY
  run.restartAsked = restart
  const work = async () => {
    if (signalled) await endOrForce(context, owner, run, graceMs)
    else await finishStop(context, owner, run, { signal, graceMs })
    tell(context, owner.container, 'stop')
    if (!restart || context.isClosing) return
    await startUnlessStarted(context, owner)
    tell(context, owner.container, 'restart')
  }
  work().catch((error) =>
    context.log.warn({ container: owner.id, error: messageOf(error) }, 'a stop could not be finished'),
  )
}

/** Somebody else may have started it meanwhile: that is as good. */
async function startUnlessStarted(context: EngineContext, owner: ContainerOwner): Promise<void> {
  await startContainer(context, owner).catch((error) => {
    if (kindOf(error) !== 'not_modified') throw error
  })
}

async function endOrForce(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  graceMs: number,
): Promise<void> {
  if (await endsWithin(run, graceMs)) return
  tell(context, owner.container, 'kill', { signal: String(SIGKILL) })
  await forceEnd(context, owner, run)
}

/** SIGKILL, and the end of the sandbox when the guest cannot even do that. */
export async function forceEnd(context: EngineContext, owner: ContainerOwner, run: Run): Promise<void> {
  const sent = run.signal(SIGKILL).catch((error) => {
    context.log.warn({ container: owner.id, error: messageOf(error) }, 'a guest did not take SIGKILL')
  })
  if (await endsWithin(run, killPatienceMs)) {
    await sent
    return
  }
  context.log.warn({ container: owner.id }, 'a guest did not end its process; its sandbox is killed')
  await run.killSandbox()
  await within(run.ended.promise, killPatienceMs, `the end of container ${owner.container.name}`)
}

/** A timer knows no longer time. */
const timerMsMax = 2 ** 31 - 1

async function endsWithin(run: Run, ms: number): Promise<boolean> {
  if (ms > timerMsMax) {
    await run.ended.promise
    return true
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([run.ended.promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
