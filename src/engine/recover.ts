/**
 * What the daemon does first: it takes up the sandboxes that ran on without it, records what happened to them meanwhile,
 * undoes what was half made, and lets restart policies have their say. Where the store and a guest disagree, the guest is right.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, messageOf } from '../lib/errors.ts'
import { dateOf } from './clock.ts'
import { type EngineContext, tell } from './context.ts'
import { limitsOf } from './create/sizes.ts'
import { beginTeardown, unknownExitCode, watchExit } from './exit.ts'
import { watchHealth } from './health.ts'
import { healthAtEnd } from './health-rules.ts'
import { isLive } from './lifecycle.ts'
import type { ContainerOwner } from './owner.ts'
import type { Sandbox } from './ports/sandbox.ts'
import { forget, sweepRemoved } from './remove.ts'
import { restartsAfterExit, startsWithDaemon } from './restart-policy.ts'
import { mainProcessId, Run, runningState } from './run.ts'
import { again, beginStart } from './start.ts'
import { resumeStop } from './stop.ts'
import { wantsOf } from './volumes/wants.ts'

/** Adopting is a handshake with each guest: so many at a time. */
const adoptAtOnce = 16

export async function recoverEngine(context: EngineContext): Promise<void> {
  const { sandboxes, networks } = context.options
  const owners = context.registry.all()
  const adopted = new Map<ContainerOwner, Sandbox>()
  const pending = owners.filter(({ container }) => container.sandbox)
  const adoptNext = async () => {
    for (let owner = pending.pop(); owner; owner = pending.pop()) {
      const sandbox = await adopt(context, owner)
      if (sandbox) adopted.set(owner, sandbox)
    }
  }
  await Promise.all(Array.from({ length: adoptAtOnce }, adoptNext))
  await sandboxes.sweep(new Set([...adopted.values()].map(({ handle }) => handle.id)))
  await networks.restore(
    new Set([...adopted.keys()].flatMap(({ container }) => container.ports.map(({ id }) => id))),
  )
  // Before anything is started anew that would want them.
  for (const { id, container } of adopted.keys()) {
    context.volumes.adopt({ id, name: container.name }, wantsOf(container.spec.mounts))
  }
  for (const owner of owners) {
    try {
      await owner.queue.run(() => recoverContainer(context, owner, adopted.get(owner)))
    } catch (error) {
      context.log.error(
        { container: owner.id, error: messageOf(error) },
        'a container could not be recovered',
      )
    }
  }
  await sweepDirectories(context)
}

async function adopt(context: EngineContext, owner: ContainerOwner): Promise<Sandbox | undefined> {
  const { sandbox } = owner.container
  try {
    return await context.options.sandboxes.adopt(sandbox!)
  } catch (error) {
    if (!hasCode(error, 'sandbox_gone')) {
      context.log.warn(
        { container: owner.id, error: messageOf(error) },
        'a sandbox does not answer and is ended',
      )
    }
    return undefined
  }
}

/** In the owner's queue. */
async function recoverContainer(
  context: EngineContext,
  owner: ContainerOwner,
  sandbox: Sandbox | undefined,
): Promise<void> {
  const { status } = owner.container.state
  if (!sandbox) owner.change({ sandbox: null })
  if (isLive(status)) {
    const process = sandbox?.adoptable().find(({ main }) => main)
    if (sandbox && process) return resumeRun(context, owner, sandbox)
    return sandbox ? undoStart(context, owner, sandbox) : recordLoss(context, owner)
  }
  // Its disk may not have been written when the last daemon ended.
  if (sandbox) teardownOf(context, owner, sandbox, false)
  if (status === 'exited' && owner.container.spec.autoRemove) return removeNow(context, owner)
  const { spec, state } = owner.container
  const wasRun = state.startedAt !== null && (status === 'exited' || status === 'restarting')
  if (wasRun && startsWithDaemon(spec.restartPolicy, state)) startAgain(context, owner)
  else if (status === 'restarting') {
    owner.changeState({ status: 'exited' })
    await owner.save()
  } else if (status === 'removing' || status === 'dead') await removeNow(context, owner)
}

/** It runs, or has exited and says so now: from the log's end nothing is lost and nothing comes twice. */
async function resumeRun(context: EngineContext, owner: ContainerOwner, sandbox: Sandbox): Promise<void> {
  const run = new Run()
  const { log } = owner
  const from = await log.offsets()
  run.sandbox = sandbox
  run.ports = owner.container.ports
  run.process = sandbox.adoptProcess(
    mainProcessId,
    { write: (stream, chunk, offset) => log.append(stream, chunk, offset) },
    from,
  )
  run.frozen = owner.status === 'paused'
  // Whether the guest has heard of them the last daemon knew.
  if (run.frozen) run.heldLimits = limitsOf(owner.container.spec, sandbox.handle.size)
  forgetExecs(context, owner, run)
  const { stoppedByUser, stop } = owner.container.state
  run.stoppedByUser = stoppedByUser
  owner.run = run
  const status = run.frozen ? 'paused' : stop ? 'stopping' : 'running'
  owner.changeState({ ...runningState(run.process.pid), status })
  await owner.save()
  sandbox.onOom(() => tell(context, owner.container, 'oom'))
  run.started.resolve()
  context.background.add(owner.queue.run(() => settleFreezing(context, owner, run)))
  watchHealth(context, owner, run)
  watchExit(context, owner, run, again(context, owner))
  if (stop) resumeStop(context, owner, run, stop)
}

/** The last daemon may have died between a pause or its end and the store, while it read files of a paused one, or at a commit. */
async function settleFreezing({ log }: EngineContext, owner: ContainerOwner, run: Run): Promise<void> {
  const sandbox = run.sandbox!
  try {
    if (run.frozen) {
      await sandbox.pause()
      return
    }
    await sandbox.resume()
    await sandbox.thaw(owner.id)
  } catch (error) {
    // It has ended meanwhile, which is told elsewhere; or it has a guest of an earlier version, which freezes nothing.
    log.debug({ container: owner.id, error: messageOf(error) }, 'a container was not thawed')
  }
}

/** Their clients went with the daemon that started them; they run on, unheard. */
function forgetExecs(context: EngineContext, owner: ContainerOwner, run: Run): void {
  for (const { id, main, acked } of run.sandbox!.adoptable()) {
    run.nextProcessId = Math.max(run.nextProcessId, id + 1)
    if (main) continue
    const process = run.sandbox!.adoptProcess(id, { write() {} }, acked)
    process.exited
      .then(() => process.forget())
      .catch((error) =>
        context.log.debug({ container: owner.id, error: messageOf(error) }, 'an old exec is gone'),
      )
  }
}

/** Its sandbox is there and has no process: the last daemon died before it had started one, and told nobody that it had. */
async function undoStart(context: EngineContext, owner: ContainerOwner, sandbox: Sandbox): Promise<void> {
  // It may be one that was opened for its files: what was put into them is kept.
  teardownOf(context, owner, sandbox, false)
  const { finishedAt, health } = owner.container.state
  owner.change({ ports: [] })
  owner.changeState({
    status: finishedAt === null ? 'created' : 'exited',
    startedAt: finishedAt === null ? null : owner.container.state.startedAt,
    health: finishedAt === null ? null : healthAtEnd(health),
  })
  await owner.save()
}

/** The host, or somebody on it, ended the sandbox: what the process came to nobody knows. */
async function recordLoss(context: EngineContext, owner: ContainerOwner): Promise<void> {
  const { spec, state } = owner.container
  owner.change({ ports: [] })
  owner.changeState({
    status: 'exited',
    exitCode: unknownExitCode,
    error: 'the sandbox ended while the daemon was down',
    finishedAt: dateOf(context.clock.nowNano()),
    pid: 0,
    stop: null,
    health: healthAtEnd(state.health),
  })
  tell(context, owner.container, 'die', { exitCode: String(unknownExitCode) })
  if (spec.autoRemove) return removeNow(context, owner)
  await owner.save()
  const exit = { code: unknownExitCode, restartCount: state.restartCount, stoppedByUser: state.stoppedByUser }
  if (state.stop?.restart || restartsAfterExit(spec.restartPolicy, exit)) startAgain(context, owner)
}

async function removeNow(context: EngineContext, owner: ContainerOwner): Promise<void> {
  const { spec } = owner.container
  const isEnding = context.volumes.attachments.volumesOf(owner.id).length > 0
  if (!isEnding) await forget(context, owner, { volumes: spec.autoRemove })
  else owner.changeState({ status: 'removing' })
  sweepRemoved(context, owner)
}

function startAgain(context: EngineContext, owner: ContainerOwner): void {
  beginStart(context, owner, { byPolicy: true }).started.promise.catch((error) => {
    context.log.warn(
      { container: owner.id, error: messageOf(error) },
      'a container could not be started again',
    )
  })
}

function teardownOf(context: EngineContext, owner: ContainerOwner, sandbox: Sandbox, discard: boolean): void {
  const run = new Run()
  run.sandbox = sandbox
  run.ports = owner.container.ports
  run.frozen = owner.status === 'paused'
  beginTeardown(context, owner, run, { discard })
}

/** Files of containers that are not in the store: of a creation or a removal that was not finished. */
async function sweepDirectories({ options, registry, log }: EngineContext): Promise<void> {
  for (const entry of await readdir(options.directory, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/^[0-9a-f]{64}$/.test(entry.name) || registry.has(entry.name)) continue
    log.info({ directory: entry.name }, 'removing the files of a container that does not exist')
    await rm(join(options.directory, entry.name), { recursive: true, force: true })
  }
}
