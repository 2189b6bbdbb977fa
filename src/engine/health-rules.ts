/**
 * What follows from a probe of a container's health, and when the next one is due: dockerd's rules, decided from what is
 * known and nothing else. Who probes is health.ts.
 *
 *                  passes                     fails `retries` times in a row
 *     (starting) ─────────> (healthy) ────────────────────────────> (unhealthy)
 *         │                     ^  <────────── passes ────────────────  ^ ^
 *         └── fails `retries` times in a row, after the start period ───┘ └── the container's end, from any
 */
import { secondMs } from '../lib/units.ts'
import type { ContainerHealth, HealthCheck, ProbeResult } from './model.ts'

const defaultIntervalMs = 30 * secondMs
const defaultTimeoutMs = 30 * secondMs
const defaultStartIntervalMs = 5 * secondMs
const defaultRetries = 3

export const probeLogMax = 5
const nsPerMs = 1e6

const msOr = (nanos: number, otherwiseMs: number) => (nanos > 0 ? nanos / nsPerMs : otherwiseMs)

/** null: it has none, or one that is of no known kind. */
export function probeCommand(check: HealthCheck | undefined): readonly string[] | null {
  const [kind, ...words] = check?.test ?? []
  if (words.length === 0) return null
  if (kind === 'CMD') return words
  return kind === 'CMD-SHELL' ? [...check!.shell, ...words] : null
}

/** A new life begins, with the log of the last. */
export function healthAtStart(
  check: HealthCheck | undefined,
  before: ContainerHealth | null,
): ContainerHealth | null {
  if (!probeCommand(check)) return null
  return { status: 'starting', failingStreak: 0, log: before?.log ?? [] }
}

/** As dockerd: what is not probed is not healthy. */
export function healthAtEnd(health: ContainerHealth | null): ContainerHealth | null {
  return health && { ...health, status: 'unhealthy' }
}

export function healthAfter(
  health: ContainerHealth,
  result: ProbeResult,
  check: HealthCheck,
  startedAt: Date,
): ContainerHealth {
  const log = [...health.log, result].slice(-probeLogMax)
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log }
  if (health.status === 'starting' && isStarting(check, startedAt, result.start)) return { ...health, log }
  const failingStreak = health.failingStreak + 1
  const isIll = failingStreak >= (check.retries > 0 ? check.retries : defaultRetries)
  return { status: isIll ? 'unhealthy' : health.status, failingStreak, log }
}

/** Failures do not count yet, and probes may come faster. */
function isStarting(check: HealthCheck, startedAt: Date, now: Date): boolean {
  return now.getTime() - startedAt.getTime() < msOr(check.startPeriodNs, 0)
}

export function nextProbeMs(health: ContainerHealth, check: HealthCheck, startedAt: Date, now: Date): number {
  return health.status === 'starting' && isStarting(check, startedAt, now)
    ? msOr(check.startIntervalNs, defaultStartIntervalMs)
    : msOr(check.intervalNs, defaultIntervalMs)
}

export function probeTimeoutMs(check: HealthCheck): number {
  return msOr(check.timeoutNs, defaultTimeoutMs)
}

/** As Go prints durations: `1m30s`, `1.5s`, `500ms`. */
export function goDuration(ms: number): string {
  if (ms < secondMs) return `${ms}ms`
  const minutes = Math.floor(ms / (60 * secondMs))
  const seconds = `${(ms - minutes * 60 * secondMs) / secondMs}s`
  if (minutes === 0) return seconds
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`
}
