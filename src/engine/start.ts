/**
 * Starting a container: a port and a sandbox at the same time, then everything the guest has to do sent without waiting for
 * one answer before the next. The container is stored as running, with the way back to its sandbox, while the guest is at
 * work: whatever the daemon dies of, the next one asks the guest whether that came true. A failure leaves nothing.
 */
import { rm, stat } from 'node:fs/promises'
import { conflict, kindOf, messageOf } from '../lib/errors.ts'
import { Rollback } from '../lib/rollback.ts'
import { minuteMs } from '../lib/units.ts'
import { dateOf } from './clock.ts'
import { type EngineContext, tell } from './context.ts'
import { sizeNamed } from './create/sizes.ts'
import { watchExit } from './exit.ts'
import { configurationOf, guestContainerOf, mainArgs, mainProcessOf } from './guest-spec.ts'
import { watchHealth } from './health.ts'
import { healthAtStart } from './health-rules.ts'
import { follow } from './lifecycle.ts'
import type { ContainerPort, ContainerState } from './model.ts'
import {
  gatewayOf,
  interfaceOf,
  isIsolated,
  linkedHosts,
  portRequest,
  wantedOf,
} from './networks/attachments.ts'
import { tellPort } from './networks/events.ts'
import type { ContainerOwner } from './owner.ts'
import type { GuestProcess, Nic, Sandbox } from './ports/sandbox.ts'
import { forget } from './remove.ts'
import { scheduleRestart } from './restart.ts'
import { restartsAfterExit } from './restart-policy.ts'
import { Run, runningState } from './run.ts'
import { type Refusal, refusalOf } from './start-failure.ts'
import { attachVolumes } from './volumes/attach.ts'
import { blameVolume } from './volumes/broken.ts'
import { tellMounts } from './volumes/events.ts'

/** The first start of an image may have to convert it; the sandbox provider has its own, shorter ones. */
const claimDeadlineMs = 2 * minuteMs

export async function startContainer(context: EngineContext, owner: ContainerOwner): Promise<void> {
  const outcome = await owner.perform('start', () => beginStart(context, owner, { byPolicy: false }))
  await (outcome.done ? outcome.value : outcome.join).started.promise
}

/** What the restart policy does when its time has come; in the owner's queue. */
export function again(context: EngineContext, owner: ContainerOwner): () => Run {
  return () => beginStart(context, owner, { byPolicy: true })
}

interface StartReason {
  /** Not a user but the restart policy wants it. */
  readonly byPolicy: boolean
}

/** To be called in the owner's queue, when the verdict was to act. The rest goes on outside of it. */
export function beginStart(context: EngineContext, owner: ContainerOwner, reason: StartReason): Run {
  const run = new Run()
  const before = owner.container.state
  owner.cancelRestart()
  owner.closeFiles({ now: false })
  owner.run = run
  const restartCount = reason.byPolicy ? before.restartCount : 0
  const health = healthAtStart(owner.container.spec.healthcheck, before.health)
  owner.changeState({
    ...{ status: 'starting', stoppedByUser: false, stop: null },
    ...{ error: '', pid: 0, restartCount, health },
  })
  for (const attachment of owner.attachments) attachment.take(run)
  context.background.add(drive(context, owner, run, { before, ...reason }))
  return run
}

async function drive(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  reason: StartReason & { readonly before: ContainerState },
): Promise<void> {
  try {
    await boot(context, owner, run)
  } catch (error) {
    await owner.queue.run(() => failed(context, owner, run, { ...reason, error }))
    return
  }
  await owner.queue.run(async () => {
    owner.changeState({ ...runningState(run.process!.pid), startedAt: run.startedAt })
    for (const port of run.ports) tellPort(context, owner.container, port, 'connect')
    tellMounts(context, owner.container, 'mount')
    tell(context, owner.container, 'start')
    watchHealth(context, owner, run)
    watchExit(context, owner, run, again(context, owner))
  })
  run.started.resolve()
}

/** A removal by force does not wait for what is left of the last run, or for who is at work in the container's files. */
async function lastEnded(context: EngineContext, owner: ContainerOwner, run: Run): Promise<void> {
  const hurry = () => context.background.add(owner.hurryTeardown())
  run.abort.signal.addEventListener('abort', hurry, { once: true })
  if (run.abort.signal.aborted) hurry()
  await owner.teardown
  run.abort.signal.removeEventListener('abort', hurry)
}

async function boot(context: EngineContext, owner: ContainerOwner, run: Run): Promise<void> {
  await lastEnded(context, owner, run)
  await using undo = new Rollback()
  const { ports, sandbox, resolvConf, linked } = await gather(context, owner, run, undo)
  const { container, log } = owner
  const { spec } = container
  const size = sandbox.handle.size
  const configured = sandbox.configure(configurationOf(spec, ports[0]))
  const volumes = sandbox.handle.volumes ?? []
  const created = sandbox
    .createContainer(guestContainerOf(container, { size, ports, linked, resolvConf, volumes }))
    .catch((error) => {
      throw blameVolume(error, spec.mounts, volumes)
    })
  const asked = allInOrder([configured, created])
  // Handled below, whatever becomes of the cards.
  asked.catch(() => {})
  const nics = await joinFurther(context, sandbox, ports, undo)
  const stored = store(context, owner, run, { sandbox, nics, ports })
  const prepared = allInOrder<unknown>([asked, stored])
  // Handled below, whatever the plugging does.
  prepared.catch(() => {})
  if (ports[0]) await context.options.networks.plug(ports[0], sandbox.handle.nic!)
  const started = sandbox.startProcess(mainProcessOf(container), {
    write: (stream, chunk, offset) => log.append(stream, chunk, offset),
  })
  const [, process] = (await allInOrder<unknown>([prepared, started])) as [unknown, GuestProcess]
  if (run.abort.signal.aborted) throw brokenOff(owner)
  sandbox.onOom(() => tell(context, owner.container, 'oom'))
  run.sandbox = sandbox
  run.ports = owner.container.ports
  run.process = process
  undo.commit()
}

/** Everything that does not need one another. */
async function gather(context: EngineContext, owner: ContainerOwner, run: Run, undo: Rollback) {
  const { options, log } = context
  const { id, project, spec } = owner.container
  const { networks } = options
  const wanted = isIsolated(spec) ? [] : spec.attachments.map((entry) => wantedOf(context, project, entry))
  const linked = linkedHosts(context, owner.container, wanted)
  const out = gatewayOf(wanted)
  const careful = (what: string, step: () => Promise<void>) => async () => {
    await step().catch((error) =>
      log.error({ container: id, error: messageOf(error) }, `${what} could not be undone`),
    )
  }
  const asks4 = wanted.find(({ network }) => !network.isDefault)?.network.gateway4 ?? ''
  const ports = wanted.map(async (each, n): Promise<ContainerPort> => {
    const leadsOut = each === out
    const publish = leadsOut ? spec.publish : []
    const port = await networks.createPort(portRequest(context, owner.container, each, { publish, asks4 }))
    return { ...port, slot: n, interface: `eth${n}`, leadsOut, asks4 }
  })
  // Its card is made in the default network, as those that wait are, and plugged into any from there.
  const network = isIsolated(spec) ? null : networks.defaultNetwork(project).id
  const sandbox = claim(context, owner, run, network, undo)
  const others = [networks.resolvConf(), owner.log.beginRun()] as const
  const [portsDone, [sandboxDone]] = await Promise.all([
    Promise.allSettled(ports),
    Promise.allSettled([sandbox, ...others]),
  ])
  for (const done of portsDone) {
    if (done.status !== 'fulfilled') continue
    undo.add(careful('a port of a failed start', () => networks.deletePort(done.value.id)))
  }
  if (sandboxDone.status === 'fulfilled') {
    undo.add(careful('the sandbox of a failed start', () => sandboxDone.value.kill()))
  }
  if (run.abort.signal.aborted) throw brokenOff(owner)
  const made = await Promise.all(ports)
  return { ports: made, linked, sandbox: await sandbox, resolvConf: await others[0], _: await others[1] }
}

/** A card each for the second network and those after it. */
async function joinFurther(
  { options: { networks } }: EngineContext,
  sandbox: Sandbox,
  ports: ContainerPort[],
  undo: Rollback,
): Promise<Record<number, Nic>> {
  const nics: Record<number, Nic> = {}
  for (const [n, port] of ports.entries()) {
    if (n === 0) continue
    const nic = await networks.createNic(sandbox.handle.nic!)
    undo.add(() => networks.deleteNic(nic))
    const slot = await sandbox.attachNic(nic)
    nics[slot] = nic
    ports[n] = { ...port, slot }
    await networks.plug(ports[n], nic)
    await sandbox.setInterface(slot, interfaceOf(ports[n], port.leadsOut))
  }
  return nics
}

async function claim(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  network: string | null,
  undo: Rollback,
): Promise<Sandbox> {
  const { options } = context
  const { id, spec, scratchBaseBytes } = owner.container
  const path = owner.scratchPath
  const fresh = scratchBaseBytes === null
  // What a start left that was never stored.
  if (fresh) await rm(path, { force: true })
  const image = await options.images.blockImage(spec.imageId)
  const signal = AbortSignal.any([run.abort.signal, AbortSignal.timeout(claimDeadlineMs)])
  const size = sizeNamed(options.sizes, spec.size)
  // Undone last: until its sandbox has ended nobody else may have them.
  undo.add(() => context.volumes.detach(id))
  const volumes = await attachVolumes(context, owner.container, spec.mounts, signal)
  return options.sandboxes.claim({ id, size, network, image, scratch: { path, fresh }, volumes }, { signal })
}

async function store(
  { clock }: EngineContext,
  owner: ContainerOwner,
  run: Run,
  made: { readonly sandbox: Sandbox; readonly nics: Record<number, Nic>; readonly ports: ContainerPort[] },
): Promise<void> {
  const { sandbox, nics, ports } = made
  owner.change({ sandbox: { ...sandbox.handle, nics }, ports })
  if (owner.container.scratchBaseBytes === null) {
    const { blocks } = await stat(owner.scratchPath)
    owner.change({ scratchBaseBytes: blocks * 512 })
  }
  run.startedAt = dateOf(clock.nowNano())
  await owner.save({ status: 'running', startedAt: run.startedAt })
}

/** Waits for all, and throws what failed first in the order of the list. */
async function allInOrder<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

function brokenOff(owner: ContainerOwner) {
  return conflict('removing', `container ${owner.container.name} is being removed: its start was broken off`)
}

interface Failure {
  readonly before: ContainerState
  readonly byPolicy: boolean
  readonly error: unknown
}

/** In the owner's queue: the container is as before, but for why it did not start. */
async function failed(
  context: EngineContext,
  owner: ContainerOwner,
  run: Run,
  failure: Failure,
): Promise<void> {
  const { before, error } = failure
  const { spec } = owner.container
  const refusal = refusalOf(error, 'container', {
    program: mainArgs(spec)[0]!,
    cwd: spec.workingDir,
    user: spec.user,
  })
  const told = refusal?.error ?? error
  const aborted = run.abort.signal.aborted
  const facts = { ranBefore: before.finishedAt !== null, restarts: false }
  owner.run = null
  run.outputEnded = true
  owner.change({ sandbox: null, ports: [] })
  owner.changeState({
    ...before,
    status: follow('starting', 'start_failed', facts)!,
    ...(aborted ? {} : { error: messageOf(told), exitCode: refusal?.exitCode ?? 128 }),
  })
  try {
    await owner.log.endRun()
    await afterFailure(context, owner, { ...failure, refusal, aborted })
  } catch (storing) {
    context.log.error(
      { container: owner.id, error: messageOf(storing) },
      'a failed start could not be recorded',
    )
  }
  run.ended.resolve()
  run.started.reject(told)
}

async function afterFailure(
  context: EngineContext,
  owner: ContainerOwner,
  failure: Failure & { readonly refusal: Refusal | undefined; readonly aborted: boolean },
): Promise<void> {
  if (failure.aborted) return owner.save()
  const { spec, state } = owner.container
  if (spec.autoRemove) return forget(context, owner, { volumes: true })
  const retryable = ['exhausted', 'unavailable', 'deadline'].includes(kindOf(failure.error) ?? '')
  const exit = { code: state.exitCode, restartCount: state.restartCount, stoppedByUser: false }
  if (failure.byPolicy && retryable && restartsAfterExit(spec.restartPolicy, exit)) {
    return scheduleRestart(context, owner, { ranMs: 0, again: again(context, owner) })
  }
  await owner.save()
  owner.waiters.exited({ exitCode: state.exitCode, error: state.error })
}
