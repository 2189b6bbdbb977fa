import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  goDuration,
  healthAfter,
  healthAtEnd,
  healthAtStart,
  nextProbeMs,
  probeCommand,
  probeLogMax,
  probeTimeoutMs,
} from './health-rules.ts'
import type { ContainerHealth, HealthCheck, ProbeResult } from './model.ts'

const check: HealthCheck = {
  test: ['CMD', 'ask'],
  intervalNs: 0,
  timeoutNs: 0,
  startPeriodNs: 0,
  startIntervalNs: 0,
  retries: 0,
  shell: ['/bin/sh', '-c'],
}
const began = new Date(1_000_000)
const after = (ms: number) => new Date(began.getTime() + ms)
const probe = (exitCode: number, ms = 0): ProbeResult => ({
  start: after(ms),
  end: after(ms),
  exitCode,
  output: '',
})
const starting: ContainerHealth = { status: 'starting', failingStreak: 0, log: [] }
/** The health after probes with these exit codes, one a second. */
const afterAll = (codes: readonly number[], of: Partial<HealthCheck> = {}, from = starting) =>
  codes.reduce(
    (health, code, second) => healthAfter(health, probe(code, second * 1000), { ...check, ...of }, began),
    from,
  )

test('a probe is a command, or a line for the shell', () => {
  assert.deepEqual(probeCommand(check), ['ask'])
  assert.deepEqual(probeCommand({ ...check, test: ['CMD-SHELL', 'a | b'] }), ['/bin/sh', '-c', 'a | b'])
  for (const test of [[], ['NONE'], ['CMD'], ['OTHER', 'x']])
    assert.equal(probeCommand({ ...check, test }), null)
  assert.equal(probeCommand(undefined), null)
})

test('three failures in a row make it unhealthy, one success healthy again', () => {
  const seen = (codes: number[], of?: Partial<HealthCheck>) => {
    const { status, failingStreak } = afterAll(codes, of)
    return [status, failingStreak]
  }
  assert.deepEqual(seen([1, 1]), ['starting', 2])
  assert.deepEqual(seen([1, 1, 1]), ['unhealthy', 3])
  assert.deepEqual(seen([1, 1, 1, 0]), ['healthy', 0])
  assert.deepEqual(seen([0, 1, -1]), ['healthy', 2])
  assert.deepEqual(seen([0, 1, 0, 1, 1]), ['healthy', 2])
  assert.deepEqual(seen([1], { retries: 1 }), ['unhealthy', 1])
})

test('in the start period failures do not count until one probe has passed', () => {
  const startPeriodNs = 2.5e9
  assert.equal(afterAll([1, 1, 1], { startPeriodNs }).failingStreak, 0)
  assert.equal(afterAll([1, 1, 1, 1], { startPeriodNs }).failingStreak, 1)
  assert.equal(afterAll([0, 1, 1], { startPeriodNs }).failingStreak, 2)
})

test('whatever comes, the streak is of failures, the log the last five, and healthy only what has passed', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 2 }), { maxLength: 12 }), (codes) => {
      const health = afterAll(codes)
      const failures = codes.length - 1 - codes.lastIndexOf(0)
      assert.equal(health.failingStreak, failures)
      assert.deepEqual(
        health.log.map(({ exitCode }) => exitCode),
        codes.slice(-probeLogMax),
      )
      if (failures >= 3) assert.equal(health.status, 'unhealthy')
      else assert.equal(health.status === 'starting', !codes.includes(0) && failures < 3)
    }),
  )
})

test('a new life begins with the log of the last, and an end is not healthy', () => {
  const health = afterAll([1, 1, 1])
  assert.deepEqual(healthAtStart(check, health), { ...starting, log: health.log })
  assert.deepEqual(healthAtStart(check, null), starting)
  assert.equal(healthAtStart({ ...check, test: ['NONE'] }, null), null)
  assert.equal(healthAtEnd(afterAll([0]))?.status, 'unhealthy')
  assert.equal(healthAtEnd(null), null)
})

test('probes come every thirty seconds, while it starts every five, or as is asked for', () => {
  const of = { ...check, startPeriodNs: 10e9 }
  assert.equal(nextProbeMs(starting, check, began, began), 30_000)
  assert.equal(nextProbeMs(starting, of, began, after(9_999)), 5_000)
  assert.equal(nextProbeMs(starting, of, began, after(10_000)), 30_000)
  assert.equal(nextProbeMs(afterAll([0]), of, began, after(1)), 30_000)
  assert.equal(nextProbeMs(starting, { ...of, startIntervalNs: 2e9 }, began, began), 2_000)
  assert.equal(nextProbeMs(starting, { ...check, intervalNs: 1e6 }, began, began), 1)
  assert.equal(probeTimeoutMs(check), 30_000)
  assert.equal(probeTimeoutMs({ ...check, timeoutNs: 5e8 }), 500)
})

test('times are told as Go does', () => {
  for (const [ms, text] of [
    [500, '500ms'],
    [1_000, '1s'],
    [1_500, '1.5s'],
    [90_000, '1m30s'],
    [3_600_000, '1h0m0s'],
  ] as const) {
    assert.equal(goDuration(ms), text)
  }
})
