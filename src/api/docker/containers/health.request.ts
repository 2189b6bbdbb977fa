/** The health check of a container request, checked in dockerd's words, and of one that is shown. Times are nanoseconds. */
import type { HealthCheck, HealthCheckRequest } from '../../../engine/model.ts'
import { clip, refuseIf } from '../query.ts'
import type { CreateBody } from './containers.schema.ts'

const nanosMin = 1_000_000
const times = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const

export function healthCheck({ Healthcheck: asked }: CreateBody): { healthcheck?: HealthCheckRequest } {
  if (!asked) return {}
  for (const name of times) {
    refuseIf(asked[name] !== 0 && asked[name] < nanosMin, `${name} in Healthcheck cannot be less than 1ms`)
  }
  refuseIf(asked.Retries < 0, 'Retries in Healthcheck cannot be negative')
  return {
    healthcheck: {
      test: asked.Test,
      intervalNs: asked.Interval,
      timeoutNs: asked.Timeout,
      startPeriodNs: asked.StartPeriod,
      startIntervalNs: asked.StartInterval,
      retries: asked.Retries,
    },
  }
}

export function healthWarnings({ Healthcheck: asked }: CreateBody): string[] {
  const [kind, ...words] = asked?.Test ?? []
  if (kind === undefined || kind === 'NONE') return []
  if (!['CMD', 'CMD-SHELL'].includes(kind)) {
    return [
      `Unknown healthcheck type '${clip(kind)}' (expected 'CMD' or 'CMD-SHELL'): the container will have no health`,
    ]
  }
  return words.length > 0
    ? []
    : [`The health check ${kind} has no command: the container will have no health`]
}

/** As Go leaves out what is zero. */
export function healthCheckJson(check: HealthCheck) {
  const { test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = check
  return {
    ...(test.length > 0 ? { Test: test } : {}),
    ...(intervalNs ? { Interval: intervalNs } : {}),
    ...(timeoutNs ? { Timeout: timeoutNs } : {}),
    ...(startPeriodNs ? { StartPeriod: startPeriodNs } : {}),
    ...(startIntervalNs ? { StartInterval: startIntervalNs } : {}),
    ...(retries ? { Retries: retries } : {}),
  }
}
