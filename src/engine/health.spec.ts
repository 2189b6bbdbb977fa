import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import type { HealthCheckRequest } from './model.ts'
import type { FakeProcess } from './support/fake-sandboxes.ts'
import { scope, TestEngine } from './support/test-engine.ts'

const deadline = { deadlineMs: 5_000 }
const none = { intervalNs: 1e6, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 2 }
const check = (words: string, more: Partial<HealthCheckRequest> = {}) => ({
  healthcheck: { ...none, test: ['CMD', ...words.split(' ')], ...more },
})
const probesOf = (t: TestEngine): FakeProcess[] =>
  [...t.sandboxes.last.processes.values()].filter(({ spec }) => !spec.main)
/** The probe with this number, from 0, when it has begun. */
const probe = (t: TestEngine, number: number) => until(`probe ${number}`, () => probesOf(t)[number], deadline)
const is = (t: TestEngine, id: string, status: string) =>
  until(`${status}`, async () => (await t.state(id)).health?.status === status, deadline)

test('what is not checked has no health, and what is checked begins as starting', async () => {
  await using t = await TestEngine.create()
  assert.equal((await t.state(await t.run('sleep'))).health, null)
  assert.equal((await t.state(await t.run('sleep', check('x', { test: ['NONE'] })))).health, null)
  const id = await t.create('sleep', check('hang'))
  assert.equal((await t.state(id)).health, null)
  await t.engine.containers.start(scope, id)
  assert.deepEqual((await t.state(id)).health, { status: 'starting', failingStreak: 0, log: [] })
})

test('probes make it healthy and unhealthy, one after another, and events tell of each change', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('hang'))
  const first = await probe(t, 0)
  assert.deepEqual(first.spec.args, ['hang'])
  await first.say('fine\n')
  first.exit(0)
  await is(t, id, 'healthy')
  for (const number of [1, 2]) (await probe(t, number)).exit(number)
  await is(t, id, 'unhealthy')
  await probe(t, 3)
  assert.equal(probesOf(t).length, 4, 'the next one waits for the last')
  const { health } = await t.state(id)
  assert.equal(health?.failingStreak, 2)
  assert.deepEqual(
    health?.log.map(({ exitCode, output }) => [exitCode, output]),
    [
      [0, 'fine\n'],
      [1, ''],
      [2, ''],
    ],
  )
  const told: string[] = []
  const all = {
    sinceNano: 0n,
    untilNano: BigInt(Date.now()) * 1_000_000n,
    signal: AbortSignal.timeout(5_000),
  }
  for await (const { action } of t.engine.events.subscribe(scope, all)) told.push(action)
  assert.deepEqual(
    told.filter((action) => action.startsWith('health_status')),
    ['health_status: healthy', 'health_status: unhealthy'],
  )
  const execs = told.filter((action) => action.startsWith('exec_'))
  assert.deepEqual(execs.slice(0, 3), ['exec_create: hang', 'exec_start: hang', 'exec_die'])
})

test('a probe that takes too long is killed and has failed', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('hang', { timeoutNs: 5e6, retries: 1 }))
  const late = await probe(t, 0)
  await late.say('wait')
  await is(t, id, 'unhealthy')
  assert.deepEqual(late.signals, [9])
  const [result] = (await t.state(id)).health!.log
  assert.equal(result?.exitCode, -1)
  assert.match(result!.output, /^Health check exceeded timeout \(5ms\)/)
})

test('a probe that cannot be started has failed, and says why', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('missing', { retries: 1 }))
  await is(t, id, 'unhealthy')
  const [result] = (await t.state(id)).health!.log
  assert.equal(result?.exitCode, -1)
  assert.match(result!.output, /exec: "missing": executable file not found in \$PATH/)
})

test('of what a probe says the beginning is kept', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('hang'))
  const first = await probe(t, 0)
  await first.say('x'.repeat(4_000))
  await first.say('y'.repeat(4_000), 'stderr')
  first.exit(0)
  await is(t, id, 'healthy')
  assert.equal((await t.state(id)).health!.log[0]?.output, `${'x'.repeat(4_000)}${'y'.repeat(96)}...`)
})

test('nothing is probed while it is paused, and no time passes for a probe then', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('hang', { timeoutNs: 500e6 }))
  const own = t.sandboxes.last
  const first = await probe(t, 0)
  await t.engine.containers.pause(scope, id)
  const other = await t.run('sleep', check('hang', { timeoutNs: 600e6, retries: 1 }))
  await is(t, other, 'unhealthy')
  assert.deepEqual(first.signals, [], 'more than its time has passed for others')
  first.exit(0)
  await is(t, id, 'healthy')
  const paused = own.processes.size
  await until('many probes elsewhere', () => t.sandboxes.last.processes.size > 3, deadline)
  assert.equal(own.processes.size, paused)
  await t.engine.containers.unpause(scope, id)
  await until('another probe', () => own.processes.size > paused, deadline)
})

test('its end is the end of the probes, and a restart begins anew', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('hang'))
  ;(await probe(t, 0)).exit(0)
  await is(t, id, 'healthy')
  await probe(t, 1)
  const before = t.sandboxes.last
  await t.engine.containers.stop(scope, id, {})
  assert.equal((await t.state(id)).health?.status, 'unhealthy')
  await until('the sandbox is over', () => before.isOver, deadline)
  await t.engine.containers.start(scope, id)
  const { health } = await t.state(id)
  assert.deepEqual([health?.status, health?.failingStreak], ['starting', 0])
  ;(await probe(t, 0)).exit(0)
  await is(t, id, 'healthy')
  assert.equal(before.processes.size, 3, 'the old sandbox was not asked again')
})

test('the next daemon goes on where the last one was', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', check('hang'))
  ;(await probe(t, 0)).exit(0)
  await is(t, id, 'healthy')
  const interrupted = await probe(t, 1)
  const known = new Set(probesOf(t))
  await t.restart()
  assert.deepEqual(interrupted.signals, [9], 'nobody waits for it any more')
  const { health } = await t.state(id)
  assert.equal(health?.status, 'healthy')
  assert.ok(health?.log[0]?.start instanceof Date)
  for (const failure of ['the first failure', 'the second one']) {
    const next = await until(failure, () => probesOf(t).find((one) => !known.has(one)), deadline)
    known.add(next)
    next.exit(1)
  }
  await is(t, id, 'unhealthy')
})
