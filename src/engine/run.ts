/** One life of a container's process, from the beginning of a start until its exit is recorded. */
import { hasCode } from '../lib/errors.ts'
import { secondMs } from '../lib/units.ts'
import { Uses } from './files/uses.ts'
import type { HealthMonitor } from './health.ts'
import type { ContainerPort } from './model.ts'
import type { ContainerStats, GuestLimits, GuestProcess, Sandbox } from './ports/sandbox.ts'

export class Run {
  /** Aborted by a removal while it starts. */
  readonly abort = new AbortController()
  readonly started = Promise.withResolvers<void>()
  /** Resolves when the exit is in the store, or the start has failed. */
  readonly ended = Promise.withResolvers<void>()
  sandbox: Sandbox | null = null
  process: GuestProcess | null = null
  ports: readonly ContainerPort[] = []
  /** While its health is checked. */
  health: HealthMonitor | null = null
  /** As it was stored: the next daemon must not tell another time. */
  startedAt: Date | null = null
  /** A user wanted it to end: the restart policy has no say then. */
  stoppedByUser = false
  /** A user asked for a restart: it is not removed in between. */
  restartAsked = false
  /** We ended its sandbox: the exit code is that of SIGKILL. */
  killed = false
  outputEnded = false
  /** The container is going, and its anonymous volumes with it. */
  dropsAnonymous = false
  /** Signals that came while it was paused; a stopped guest takes none. */
  heldSignals = new Set<number>()
  /** Limits that it is to have when it runs again, for the same reason. */
  heldLimits: GuestLimits | null = null
  frozen = false
  /** Who reads or writes its files. */
  readonly fileUses = new Uses()
  /** They may finish after its exit, as far as the next start can wait. */
  filesPatienceMs = 10 * secondMs
  /** Who of them wants its processes to stand still. */
  readonly stillUses = new Uses()
  /** As of the moment it was paused. */
  frozenStats: ContainerStats | null = null
  /** Process 1 is the container's own. */
  nextProcessId = 2

  constructor() {
    // Whoever started it hears of a failure; so may nobody else.
    this.started.promise.catch(() => {})
  }

  /** No process of it goes on, and none is started. */
  get standsStill(): boolean {
    return this.frozen || this.stillUses.any
  }

  /** False when there is nobody left to take it. */
  async signal(signal: number): Promise<boolean> {
    try {
      await this.process?.signal(signal)
      return this.process !== null
    } catch (error) {
      if (hasCode(error, 'process_exited') || hasCode(error, 'sandbox_gone')) return false
      throw error
    }
  }

  async killSandbox(): Promise<void> {
    this.killed = true
    await this.sandbox?.kill()
  }
}

/** How the last run ended is told no longer. */
export const runningState = (pid: number) =>
  ({ status: 'running', exitCode: 0, oomKilled: false, pid }) as const

export const mainProcessId = 1
