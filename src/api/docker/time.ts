/** Times and ages in Docker's forms. */
import { minuteMs, secondMs } from '../../lib/units.ts'

export const zeroTime = '0001-01-01T00:00:00Z'

/** RFC 3339 with nanoseconds, as Go prints them: without zeros at the end. null: Docker's zero time. */
export function rfc3339Nano(at: Date | null): string {
  return at ? at.toISOString().replace(/\.?0*Z$/, 'Z') : zeroTime
}

/** All nine digits: the form that `logs --timestamps` prefixes lines with. */
export function rfc3339NanoFixed(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000_000n) * secondMs).toISOString().slice(0, 19)
  return `${seconds}.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`
}

export const unixSeconds = (at: Date): number => Math.floor(at.getTime() / secondMs)

/** "2 minutes", "About an hour": as `docker ps` shows them. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / secondMs)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.floor(ms / minuteMs)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.floor(ms / (60 * minuteMs) + 0.5)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  const days = Math.floor(hours / 24)
  if (days < 14) return `${days} days`
  if (days < 60) return `${Math.floor(days / 7)} weeks`
  if (days < 730) return `${Math.floor(days / 30)} months`
  return `${Math.floor(days / 365)} years`
}

const durationUnitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: secondMs,
  m: minuteMs,
  h: 60 * minuteMs,
}

/** A moment as prune's `until` has it: a Go duration before now (`24h`), RFC 3339, or seconds since 1970. null: none of them. */
export function parseMoment(value: string, now: Date): Date | null {
  if (/^\d+(\.\d+)?$/.test(value)) return validDate(Number(value) * secondMs)
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/gy)]
  if (parts.length > 0 && parts.map(([whole]) => whole).join('') === value) {
    const ms = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * durationUnitsMs[unit!]!, 0)
    return validDate(now.getTime() - ms)
  }
  if (!/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/.test(value)) return null
  return validDate(Date.parse(value))
}

function validDate(ms: number): Date | null {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? null : date
}
