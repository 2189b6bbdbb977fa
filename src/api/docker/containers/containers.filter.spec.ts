import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container } from '../../../engine/model.ts'
import { noAttachment } from '../../../engine/networks/attachments.ts'
import { fakeCloud } from '../../support/fake-backends.ts'
import { fakeContainer, imageId } from '../../support/samples.ts'
import { pruneMatcher, selectContainers } from './containers.filter.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute))
const state = (status: 'running' | 'exited' | 'paused' | 'created', exitCode = 0) => ({
  ...fakeContainer().state,
  status,
  exitCode,
  startedAt: status === 'created' ? null : at(0),
  finishedAt: status === 'exited' ? at(0) : null,
})

const web: Container = {
  ...fakeContainer({
    name: 'web-1',
    labels: { app: 'web', tier: '1' },
    publish: [{ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPort: 8080 }],
    exposedPorts: ['80/tcp', '53/udp'],
  }),
  createdAt: at(1),
  state: { ...state('running'), health: { status: 'healthy', failingStreak: 0, log: [] } },
}
const job: Container = {
  ...fakeContainer({ name: 'job', attachments: [noAttachment] }),
  createdAt: at(2),
  state: state('exited', 3),
}
const idle: Container = { ...fakeContainer({ name: 'web-2' }), createdAt: at(3), state: state('created') }
const held: Container = {
  ...fakeContainer({ name: 'held' }),
  createdAt: at(4),
  state: state('paused'),
}
const all = [held, idle, job, web]

async function select(
  filters: object,
  more: { all?: boolean; limit?: number } = { all: true },
): Promise<string[]> {
  const cloud = fakeCloud()
  for (const container of all) {
    cloud.containers.entries.set(container.id, { container } as never)
  }
  const query = { all: false, before: '', since: '', filters: JSON.stringify(filters), ...more }
  const scope = { project: 'default' }
  return (await selectContainers(all, query, cloud, scope)).map(({ name }) => name)
}

test('what was made within one millisecond is told apart by its place in the list', async () => {
  const [first, second, third] = ['1', '2', '3'].map((name) => ({
    ...fakeContainer({ name }),
    createdAt: at(5),
  }))
  const list = [third!, second!, first!]
  const cloud = fakeCloud()
  for (const container of list) cloud.containers.entries.set(container.id, { container } as never)
  const names = async (filters: object) => {
    const query = { all: true, before: '', since: '', filters: JSON.stringify(filters) }
    return (await selectContainers(list, query, cloud, { project: 'default' })).map(({ name }) => name)
  }
  assert.deepEqual(await names({ before: [second!.id] }), ['1'])
  assert.deepEqual(await names({ since: [second!.id] }), ['3'])
  assert.deepEqual(await names({ since: [first!.id], before: [third!.id] }), ['2'])
})

test('a list shows what runs, all, or the newest', async () => {
  assert.deepEqual(await select({}, {}), ['held', 'web-1'])
  assert.deepEqual(await select({}), ['held', 'web-2', 'job', 'web-1'])
  assert.deepEqual(await select({}, { limit: 2 }), ['held', 'web-2'])
  assert.deepEqual(await select({}, { limit: -1 }), ['held', 'web-1'])
  assert.deepEqual(await select({ status: ['exited'] }, {}), ['job'])
})

test('each filter of Docker selects what it says', async () => {
  for (const [filters, names] of [
    [{ name: ['web'] }, ['web-2', 'web-1']],
    [{ name: ['^/web-1$', '^job$'] }, ['job', 'web-1']],
    [{ id: [web.id.slice(0, 12)] }, ['web-1']],
    [{ label: ['app=web', 'tier'] }, ['web-1']],
    [{ label: { app: true, nope: true } }, []],
    [{ status: ['running', 'paused'] }, ['held', 'web-1']],
    [{ exited: ['3'] }, ['job']],
    [{ exited: ['0'] }, []],
    [{ ancestor: ['busybox'] }, ['held', 'web-2', 'job', 'web-1']],
    [{ ancestor: [imageId(2)] }, []],
    [{ ancestor: ['nosuch'] }, []],
    [{ before: ['web-2'] }, ['job', 'web-1']],
    [{ since: [job.id] }, ['held', 'web-2']],
    [{ health: ['none'] }, ['held', 'web-2', 'job']],
    [{ health: ['healthy'] }, ['web-1']],
    [{ health: ['starting', 'unhealthy'] }, []],
    [{ 'is-task': ['true'] }, []],
    [{ 'is-task': ['false'] }, ['held', 'web-2', 'job', 'web-1']],
    [{ network: ['none'] }, ['job']],
    [{ network: ['bridge'] }, ['held', 'web-2', 'web-1']],
    [{ volume: ['x'] }, []],
    [{ publish: ['80'] }, ['web-1']],
    [{ publish: ['8000-9000/tcp'] }, []],
    [{ expose: ['50-60/udp'] }, ['web-1']],
    [{ name: ['web'], status: ['created'] }, ['web-2']],
  ] as const) {
    assert.deepEqual(await select(filters), names, JSON.stringify(filters))
  }
})

test('filters with values that make no sense are refused', async () => {
  for (const [filters, message] of [
    [{ status: ['sleeping'] }, "invalid filter 'status=sleeping'"],
    [{ health: ['ill'] }, 'Unrecognised filter value for health: ill'],
    [{ exited: ['x'] }, "invalid filter 'exited=x'"],
    [{ publish: ['x'] }, "invalid filter 'publish=x'"],
    [{ nope: ['x'] }, "invalid filter 'nope'"],
  ] as const) {
    await assert.rejects(select(filters), { kind: 'invalid', message })
  }
  await assert.rejects(select({ before: ['nosuch'] }), { kind: 'not_found' })
})

test('prune takes what is old enough and labelled as asked', () => {
  const taken = (filters: object) =>
    all.filter(pruneMatcher(JSON.stringify(filters), at(3))).map(({ name }) => name)
  assert.deepEqual(taken({}), ['held', 'web-2', 'job', 'web-1'])
  assert.deepEqual(taken({ until: ['90s'] }), ['web-1'])
  assert.deepEqual(taken({ label: ['app'] }), ['web-1'])
  assert.deepEqual(taken({ 'label!': ['app'] }), ['held', 'web-2', 'job'])
  assert.throws(() => taken({ until: ['soon'] }), { kind: 'invalid' })
})
