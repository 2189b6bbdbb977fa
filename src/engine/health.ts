/**
 * Probing a container's health: one timer for each run, and the next probe is due only when the last one has ended. A
 * probe is an exec as any other; its result is recorded in the owner's queue.
 */
import { within } from '../lib/deadline.ts'
import { messageOf } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { dateOf } from './clock.ts'
import { type EngineContext, tell } from './context.ts'
import { createExec, findExec, startExec } from './exec.ts'
import type { ExecRecord } from './execs.ts'
import { goDuration, healthAfter, nextProbeMs, probeCommand, probeTimeoutMs } from './health-rules.ts'
import type { AttachSession, ExecRequest, HealthCheck, ProbeResult } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import type { Run } from './run.ts'
import { SIGKILL } from './signals.ts'

const outputBytesMax = 4_096
/** How long a guest may take to end a probe that took too long. */
const killPatienceMs = 10 * secondMs
/** How long one is waited for that nobody asks after any more. */
const stopPatienceMs = secondMs
/** A timer knows no longer time. */
const timerMsMax = 2 ** 31 - 1

/** What dockerd tells of a probe that has no exit code of its own. */
const noExitCode = -1

/** From now on, until `run.health.stop()`. */
export function watchHealth(context: EngineContext, owner: ContainerOwner, run: Run): void {
  const check = owner.container.spec.healthcheck
  const command = probeCommand(check)
  if (!check || !command || context.isClosing) return
  const monitor = new HealthMonitor(context, owner, run, { check, command })
  run.health = monitor
  monitor.schedule()
}

export class HealthMonitor {
  readonly #context: EngineContext
  readonly #owner: ContainerOwner
  readonly #run: Run
  readonly #check: HealthCheck
  readonly #command: readonly string[]
  #timer: NodeJS.Timeout | undefined
  #probe: ExecRecord | null = null
  #isOver = false

  constructor(
    context: EngineContext,
    owner: ContainerOwner,
    run: Run,
    { check, command }: { readonly check: HealthCheck; readonly command: readonly string[] },
  ) {
    this.#context = context
    this.#owner = owner
    this.#run = run
    this.#check = check
    this.#command = command
  }

  schedule(): void {
    const { health, startedAt } = this.#owner.container.state
    if (this.#isOver || !health) return
    const ms = nextProbeMs(health, this.#check, startedAt ?? this.#now(), this.#now())
    this.#timer = setTimeout(() => void this.#due(), Math.min(ms, timerMsMax))
  }

  /** What a probe under way comes to is of no interest any more. Resolves when it has ended, or will not soon. */
  async stop(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#kill()
    if (!this.#probe || this.#run.standsStill) return
    await within(this.#probe.ended, stopPatienceMs, 'the end of a probe').catch((error) => {
      this.#context.log.debug(
        { container: this.#owner.id, error: messageOf(error) },
        'a probe is left behind',
      )
    })
  }

  async #due(): Promise<void> {
    try {
      // A guest that stands still answers nobody.
      if (!this.#run.standsStill) await this.#probeOnce()
    } catch (error) {
      this.#context.log.error({ container: this.#owner.id, error: messageOf(error) }, 'a probe failed')
    }
    this.schedule()
  }

  async #probeOnce(): Promise<void> {
    const start = this.#now()
    const outcome = await this.#execute().catch((error) => ({
      exitCode: noExitCode,
      output: messageOf(error),
    }))
    const failedFrozen = outcome.exitCode !== 0 && this.#run.standsStill
    if (!failedFrozen) await this.#record({ start, end: this.#now(), ...outcome })
    // The next one must not find it still there.
    await this.#probe?.ended
    this.#probe = null
  }

  async #execute(): Promise<Pick<ProbeResult, 'exitCode' | 'output'>> {
    const { id } = await createExec(this.#context, this.#owner, probeRequest(this.#command))
    const { record } = findExec(this.#context, this.#owner.container.project, id)
    const session = await startExec(this.#context, this.#owner, record, { size: undefined, detached: false })
    this.#probe = record
    if (this.#isOver) this.#kill()
    const output = new ProbeOutput()
    const isLate = await this.#takesTooLong(output.readAll(session))
    if (!isLate) return { exitCode: record.exec.exitCode ?? noExitCode, output: output.toString() }
    this.#kill()
    await within(record.ended, killPatienceMs, 'the end of a probe').catch((error) => {
      this.#context.log.warn({ container: this.#owner.id, error: messageOf(error) }, 'a probe does not end')
    })
    const said = output.toString()
    const late = `Health check exceeded timeout (${goDuration(probeTimeoutMs(this.#check))})`
    return { exitCode: noExitCode, output: said ? `${late}: ${said}` : late }
  }

  /** For a guest that stands still no time passes. */
  async #takesTooLong(ended: Promise<void>): Promise<boolean> {
    const timeoutMs = Math.min(probeTimeoutMs(this.#check), timerMsMax)
    for (;;) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<true>((resolve) => {
        timer = setTimeout(() => resolve(true), timeoutMs)
      })
      const isLate = await Promise.race([ended.then(() => false), late])
      clearTimeout(timer)
      if (!isLate || this.#isOver || !this.#run.standsStill) return isLate
    }
  }

  #kill(): void {
    // It may have ended by itself, or with its sandbox.
    this.#probe?.process?.signal(SIGKILL).catch(() => {})
  }

  async #record(result: ProbeResult): Promise<void> {
    const owner = this.#owner
    await owner.queue.run(async () => {
      const { health, startedAt } = owner.container.state
      if (this.#isOver || !health) return
      const next = healthAfter(health, result, this.#check, startedAt ?? result.start)
      owner.changeState({ health: next })
      if (next.status === health.status) return
      tell(this.#context, owner.container, `health_status: ${next.status}`)
      await owner.save()
    })
  }

  #now(): Date {
    return dateOf(this.#context.clock.nowNano())
  }
}

function probeRequest(cmd: readonly string[]): ExecRequest {
  const attach = { stdin: false, stdout: true, stderr: true }
  return { cmd, env: [], user: '', workingDir: '', tty: false, privileged: false, attach, detachKeys: '' }
}

/** The beginning of what a probe says; the rest is read and dropped, so that nothing holds it up. */
class ProbeOutput {
  #kept = Buffer.alloc(0)
  #isCut = false

  async readAll(session: AttachSession): Promise<void> {
    for await (const { data } of session.output) {
      const room = outputBytesMax - this.#kept.length
      if (room > 0) this.#kept = Buffer.concat([this.#kept, data.subarray(0, room)])
      if (data.length > room) this.#isCut = true
    }
  }

  toString(): string {
    return `${this.#kept.toString()}${this.#isCut ? '...' : ''}`
  }
}
