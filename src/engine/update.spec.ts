import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import { MiB } from '../lib/units.ts'
import type { ContainerChange } from './model.ts'
import { scope, TestEngine } from './support/test-engine.ts'

const deadline = { deadlineMs: 5_000 }
const change = (what: Omit<ContainerChange, 'frontend'>): ContainerChange => ({
  frontend: (before) => before,
  ...what,
})
const update = (t: TestEngine, id: string, what: Omit<ContainerChange, 'frontend'>) =>
  t.engine.containers.update(scope, id, change(what))
const spec = async (t: TestEngine, id: string) => (await t.engine.containers.get(scope, id)).spec

test('what runs has its new limits at once, and keeps them over a restart of both', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { memoryBytes: 100 * MiB, pidsLimit: 9 })
  await update(t, id, { memoryBytes: 50 * MiB, cpuShares: 512, nanoCpus: 5e8 })
  const limits = { memoryBytes: 50 * MiB, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, cpuWeight: 20, pids: 9 }
  assert.deepEqual(t.sandboxes.last.limits, limits)
  await t.restart()
  assert.equal((await spec(t, id)).memoryBytes, 50 * MiB)
  await t.engine.containers.restart(scope, id, {})
  assert.deepEqual(t.sandboxes.last.container?.limits, limits)
  await update(t, id, { pidsLimit: 0 })
  assert.equal(t.sandboxes.last.limits?.pids, 0)
})

test('of what does not run the new limits are those of the next start', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep')
  await t.engine.containers.update(scope, id, { memoryBytes: 70 * MiB, frontend: () => ({ seen: true }) })
  assert.deepEqual((await spec(t, id)).frontend, { seen: true })
  await t.engine.containers.start(scope, id)
  assert.equal(t.sandboxes.last.container?.limits.memoryBytes, 70 * MiB)
})

test('what is paused gets its limits when it runs again, from the next daemon too', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  for (const between of [async () => {}, () => t.restart()]) {
    t.sandboxes.last.limits = undefined
    await t.engine.containers.pause(scope, id)
    await update(t, id, { memoryBytes: 80 * MiB })
    assert.equal(t.sandboxes.last.limits, undefined)
    await between()
    await t.engine.containers.unpause(scope, id)
    assert.equal((t.sandboxes.last.limits as { memoryBytes: number } | undefined)?.memoryBytes, 80 * MiB)
  }
})

test('more than the size has is refused, and says what to do', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { name: 'web' })
  await assert.rejects(update(t, id, { memoryBytes: 513 * MiB }), {
    kind: 'invalid',
    message:
      'the memory of container web cannot be raised to 513 MiB: its size s4 has 512 MiB; make the container anew with that much memory',
  })
  await assert.rejects(update(t, id, { nanoCpus: 2e9 }), {
    kind: 'invalid',
    message:
      'the CPUs of container web cannot be raised to 2: its size s4 has 1; make the container anew with that many',
  })
  assert.equal(t.sandboxes.last.limits, undefined)
})

test('what clashes with what was set is refused in the words of dockerd', async () => {
  await using t = await TestEngine.create()
  const quota = await t.create('sleep', { cpuQuotaUs: 50_000 })
  await assert.rejects(update(t, quota, { nanoCpus: 5e8 }), {
    kind: 'conflict',
    message: 'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set',
  })
  const nano = await t.create('sleep', { nanoCpus: 5e8 })
  await assert.rejects(update(t, nano, { cpuPeriodUs: 50_000 }), {
    kind: 'conflict',
    message: 'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set',
  })
  const fleeting = await t.create('sleep', { autoRemove: true })
  await assert.rejects(update(t, fleeting, { restartPolicy: { name: 'always', maximumRetries: 0 } }), {
    kind: 'conflict',
    message: 'Restart policy cannot be updated because AutoRemove is enabled for the container',
  })
})

test('a restart policy that is changed decides at the next exit', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  await update(t, id, { restartPolicy: { name: 'always', maximumRetries: 0 } })
  t.sandboxes.last.main.exit(0)
  await until('a restart', async () => (await t.state(id)).restartCount === 1, deadline)
  await until('it runs', async () => (await t.state(id)).status === 'running', deadline)
  await update(t, id, { restartPolicy: { name: 'no', maximumRetries: 0 } })
  t.sandboxes.last.main.exit(0)
  await until('the end', async () => (await t.state(id)).status === 'exited', deadline)
})

test('an update that cannot be stored changes nothing', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { memoryBytes: 100 * MiB })
  t.onStore = () => {
    throw new Error('no room')
  }
  await assert.rejects(update(t, id, { memoryBytes: 50 * MiB }), /no room/)
  t.onStore = () => {}
  assert.equal((await spec(t, id)).memoryBytes, 100 * MiB)
  assert.equal(t.sandboxes.last.limits?.memoryBytes, 100 * MiB)
})
