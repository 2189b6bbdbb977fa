import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../lib/deadline.ts'
import { internal } from '../../lib/errors.ts'
import { GiB } from '../../lib/units.ts'
import type { MountRequest } from '../model.ts'
import { scope, TestEngine } from '../support/test-engine.ts'

const deadline = { deadlineMs: 10_000 }

const at = (destination: string, volume?: string, more: Partial<MountRequest> = {}): MountRequest => ({
  ...{ destination, readOnly: false, noCopy: false, driver: '', labels: {}, options: {}, mode: 'z' },
  ...(volume === undefined ? {} : { volume }),
  ...more,
})
const readOnly = (destination: string, volume: string) => at(destination, volume, { readOnly: true })

const names = async (t: TestEngine) => (await t.engine.volumes.list(scope)).map(({ name }) => name)
const mountsOf = async (t: TestEngine, id: string) => (await t.engine.containers.get(scope, id)).spec.mounts

test('a volume that a container names is made, stays when it goes, and is had by its sandbox', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { mounts: [at('/data', 'data'), at('/again', 'data', { subpath: 'a' })] })
  assert.deepEqual(await names(t), ['data'])
  const { id: volume } = t.volumes.volumes()[0]!
  assert.deepEqual(t.sandboxes.last.request.volumes, [{ path: `/volumes/${volume}`, readOnly: false }])
  assert.deepEqual(t.sandboxes.last.container?.mounts, [
    { disk: 'vol0', sourcePath: '/_data', path: '/data', readOnly: false, copyUp: true },
    { disk: 'vol0', sourcePath: '/_data/a', path: '/again', readOnly: false, copyUp: false },
  ])
  const { containers, attachments } = await t.engine.volumes.get(scope, 'data')
  assert.deepEqual([containers, attachments.map((one) => one.id)], [[id], [id]])
  await t.engine.containers.remove(scope, id, { force: true, volumes: true })
  assert.deepEqual(await names(t), ['data'])
  assert.deepEqual(t.volumes.done, ['attach data rw', 'detach data'])
})

test('a container that names a volume keeps it from being removed, in the words of dockerd', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep', { mounts: [at('/data', 'data')] })
  await assert.rejects(t.engine.volumes.remove(scope, 'data'), {
    kind: 'conflict',
    message: `remove data: volume is in use - [${id}]`,
  })
  await t.restart()
  await assert.rejects(t.engine.volumes.remove(scope, 'data'), { kind: 'conflict' })
  await t.engine.containers.remove(scope, id, { force: false, volumes: false })
  await t.engine.volumes.remove(scope, 'data')
  await assert.rejects(t.engine.volumes.remove(scope, 'data'), {
    kind: 'not_found',
    message: 'get data: no such volume',
  })
})

test('one container writes, or many read; who is refused hears who has it', async () => {
  await using t = await TestEngine.create()
  const writer = await t.run('sleep', { name: 'writer', mounts: [at('/data', 'data')] })
  const second = await t.create('sleep', { mounts: [at('/data', 'data')] })
  const reader = await t.create('sleep', { mounts: [readOnly('/data', 'data')] })
  for (const id of [second, reader]) {
    await assert.rejects(t.engine.containers.start(scope, id), {
      kind: 'conflict',
      code: 'volume_in_use',
      message: new RegExp(
        `^volume data is attached read-write to container writer \\(${writer.slice(0, 12)}\\): `,
      ),
    })
    assert.equal((await t.state(id)).status, 'created')
  }
  await t.engine.containers.stop(scope, writer, {})
  await t.engine.containers.start(scope, reader)
  await t.run('sleep', { mounts: [readOnly('/other', 'data')] })
  await assert.rejects(t.engine.containers.start(scope, second), {
    message: /^volume data is attached read-only to container/,
  })
})

test('a start waits for a sandbox that is ending with the volume, and not for one that stays', async () => {
  await using t = await TestEngine.create()
  const first = await t.run('sleep', { mounts: [at('/data', 'data')] })
  const gate = Promise.withResolvers<void>()
  const sandbox = t.sandboxes.last
  sandbox.onShutdown = () => gate.promise
  await t.engine.containers.stop(scope, first, {})
  const second = await t.create('sleep', { mounts: [at('/data', 'data')] })
  const started = t.engine.containers.start(scope, second)
  await until('it starts', async () => (await t.state(second)).status === 'starting', deadline)
  assert.equal(t.sandboxes.claimed.length, 1)
  gate.resolve()
  await started
  assert.equal(sandbox.isOver, 'shutdown')
  assert.deepEqual(t.volumes.done, ['attach data rw', 'detach data', 'attach data rw'])
})

test('a failed start lets go of its volumes', async () => {
  await using t = await TestEngine.create()
  const failing = await t.create('missing', { mounts: [at('/data', 'data')] })
  await assert.rejects(t.engine.containers.start(scope, failing))
  t.sandboxes.onClaim = () => {
    throw new Error('no room')
  }
  const refused = await t.create('sleep', { mounts: [at('/data', 'data')] })
  await assert.rejects(t.engine.containers.start(scope, refused), /no room/)
  t.sandboxes.onClaim = () => {}
  await t.engine.containers.start(scope, refused)
})

test('of a volume that a guest cannot mount its name is told', async () => {
  await using t = await TestEngine.create()
  t.sandboxes.onNew = (sandbox) => {
    sandbox.createContainer = () => Promise.reject(internal('guest_refused', 'the disk vol1 holds nothing'))
  }
  const id = await t.create('sleep', { mounts: [at('/a', 'whole'), at('/b', 'broken')] })
  await assert.rejects(t.engine.containers.start(scope, id), {
    kind: 'conflict',
    message: /^volume broken cannot be mounted: the disk vol1 holds nothing; .*restore a snapshot/,
  })
  assert.equal(t.sandboxes.last.isOver, 'killed')
})

test('who has what is known to the next daemon, before it starts anything', async () => {
  await using t = await TestEngine.create()
  const always = { restartPolicy: { name: 'always', maximumRetries: 0 } } as const
  const gone = await t.run('sleep', { ...always, mounts: [at('/data', 'data')] })
  const ended = t.sandboxes.last
  const other = await t.run('sleep', { mounts: [at('/other', 'other')] })
  await t.restart(() => ended.crash())
  await until('it runs again', async () => (await t.state(gone)).status === 'running', deadline)
  const third = await t.create('sleep', { mounts: [at('/x', 'other')] })
  await assert.rejects(t.engine.containers.start(scope, third), { code: 'volume_in_use' })
  await t.engine.containers.stop(scope, other, {})
  await t.engine.containers.start(scope, third)
})

test('what a guest holds of a volume that stays is written before its sandbox ends, however the container ends', async () => {
  await using t = await TestEngine.create()
  const ends: (() => Promise<unknown>)[] = [
    async () => {
      const id = await t.run('sleep', { mounts: [at('/data', 'data')] })
      await t.engine.containers.remove(scope, id, { force: true, volumes: true })
    },
    async () => {
      const id = await t.run('sleep', { mounts: [at('/data', 'data')] })
      await t.engine.containers.pause(scope, id)
      await t.engine.containers.remove(scope, id, { force: true, volumes: false })
    },
    async () => {
      const id = await t.run('sleep', { mounts: [at('/data', 'data')], autoRemove: true })
      const removed = t.wait(id, 'removed')
      t.sandboxes.last.main.exit(3)
      assert.equal((await removed).exitCode, 3)
    },
    async () => {
      const id = await t.run('sleep', { mounts: [at('/data')] })
      await t.engine.containers.stop(scope, id, {})
      await t.engine.containers.remove(scope, id, { force: false, volumes: false })
    },
  ]
  for (const end of ends) {
    await end()
    assert.equal(t.sandboxes.last.isOver, 'shutdown')
  }
})

test('a container that removes itself is found by the next daemon while its volume is written', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { mounts: [at('/data', 'data'), at('/own')], autoRemove: true })
  const sandbox = t.sandboxes.last
  const never = Promise.withResolvers<void>()
  sandbox.onShutdown = () => never.promise
  sandbox.main.exit(0)
  assert.equal((await t.wait(id)).exitCode, 0)
  assert.equal((await t.state(id)).status, 'removing')
  sandbox.onShutdown = () => {}
  await t.kill()
  assert.ok(t.sandboxes.kept?.has(id))
  await until('it is gone', async () => (await t.engine.containers.list(scope)).length === 0, deadline)
  assert.equal(sandbox.isOver, 'shutdown')
  assert.deepEqual(await names(t), ['data'])
})

test('anonymous volumes go with a container when that is asked for, or it removes itself', async () => {
  await using t = await TestEngine.create()
  const mounts = [at('/one'), at('/two', 'named')]
  const kept = await t.run('sleep', { mounts, anonymousVolumes: ['/three', '/two'] })
  assert.equal((await names(t)).length, 3)
  assert.deepEqual(
    (await mountsOf(t, kept)).map(({ destination, anonymous }) => [destination, anonymous]),
    [
      ['/one', true],
      ['/two', false],
      ['/three', true],
    ],
  )
  await t.engine.containers.remove(scope, kept, { force: true, volumes: false })
  assert.equal((await names(t)).length, 3)
  const { names: pruned } = await t.engine.volumes.prune(scope, ({ anonymous }) => anonymous)
  assert.equal(pruned.length, 2)
  const dropped = await t.run('sleep', { mounts })
  await t.engine.containers.remove(scope, dropped, { force: true, volumes: true })
  assert.deepEqual(await names(t), ['named'])
  const self = await t.run('sleep', { mounts: [at('/one')], autoRemove: true })
  const removed = t.wait(self, 'removed')
  t.sandboxes.last.main.exit(0)
  await removed
  assert.deepEqual(await names(t), ['named'])
  assert.equal(t.sandboxes.last.isOver ?? 'killed', 'killed')
})

test('volumes of another container are shared with it, and stay as long as one of both does', async () => {
  await using t = await TestEngine.create()
  const first = await t.create('sleep', { name: 'first', mounts: [at('/own'), at('/data', 'data')] })
  const from = { volumesFrom: [{ container: 'first', readOnly: true }] }
  const second = await t.create('sleep', { ...from, mounts: [at('/data', 'mine')] })
  assert.deepEqual(
    (await mountsOf(t, second)).map(({ destination, name, readOnly }) => [destination, name, readOnly]),
    [
      ['/own', (await mountsOf(t, first))[0]!.name, true],
      ['/data', 'mine', false],
    ],
  )
  await t.engine.containers.remove(scope, first, { force: false, volumes: true })
  assert.equal((await names(t)).length, 3)
  await t.engine.containers.remove(scope, second, { force: false, volumes: true })
  assert.deepEqual(await names(t), ['data', 'mine'])
  await assert.rejects(t.create('sleep', from), { kind: 'invalid', message: 'No such container: first' })
})

test('a request that cannot be leaves no volume that nobody named', async () => {
  await using t = await TestEngine.create()
  const wrong: [mounts: MountRequest[], message: RegExp][] = [
    [[at('/one'), at('/x', 'a')], /^create a: volume name is too short/],
    [[at('/one'), at('/x', 'a b')], /^create a b: "a b" includes invalid characters for a local volume name/],
    [[at('/one'), at('/x', 'ab', { driver: 'nfs' })], /^create ab: error looking up volume plugin nfs/],
    [[at('/one'), at('/x', 'ab', { options: { foo: '1' } })], /^create ab: invalid option: "foo"$/],
    [[at('/one'), at('/x', 'ab', { options: { size: 'x' } })], /^create ab: invalid size: 'x'$/],
    [[at('/one'), at('/x', 'ab', { options: { type: 'nfs' } })], /the option "type" is not possible/],
    [[at('/x', 'ab'), at('/x', 'bc')], /^Duplicate mount point: \/x$/],
    [Array.from({ length: 65 }, (_, n) => at(`/x${n}`, `many${n}`)), /64 mounts at most$/],
  ]
  for (const [mounts, message] of wrong) await assert.rejects(t.create('sleep', { mounts }), { message })
  await assert.rejects(t.create('sleep', { mounts: [at('/x', 'ab')], tmpfs: { '/x': '' } }), {
    message: 'Duplicate mount point: /x',
  })
  assert.deepEqual(await names(t), [])
})

test('one that was not unmounted is mounted for writing once before anybody reads it', async () => {
  await using t = await TestEngine.create()
  await t.engine.volumes.create(scope, { name: 'data', driver: '', labels: {}, options: {} })
  const { id } = t.volumes.volumes()[0]!
  await t.volumes.markUsed(id)
  t.volumes.unclean.add(id)
  t.sandboxes.onNew = (sandbox) => {
    sandbox.onShutdown = () => void t.volumes.unclean.delete(id)
  }
  await t.run('sleep', { mounts: [readOnly('/data', 'data')] })
  const [mended, reader] = t.sandboxes.claimed as [FakeSandboxLike, FakeSandboxLike]
  assert.equal(mended.isOver, 'shutdown')
  assert.deepEqual(mended.container?.mounts[0], {
    ...{ disk: 'vol0', sourcePath: '/_data', path: '/data', readOnly: false, copyUp: true },
  })
  assert.equal(reader.request.volumes[0]?.readOnly, true)
  assert.deepEqual(t.volumes.done, ['attach data rw', 'detach data', 'attach data ro'])
  await t.run('sleep', { mounts: [readOnly('/data', 'data')] })
  assert.equal(t.sandboxes.claimed.length, 3)
})

type FakeSandboxLike = TestEngine['sandboxes']['last']

test('a new volume that is only read is given what the image has first', async () => {
  await using t = await TestEngine.create()
  await t.run('sleep', { mounts: [readOnly('/data', 'data')] })
  const [filled] = t.sandboxes.claimed as [FakeSandboxLike]
  assert.deepEqual(filled.container?.mounts[0], {
    ...{ disk: 'vol0', sourcePath: '/_data', path: '/data', readOnly: false, copyUp: true },
  })
  await t.run('sleep', { mounts: [at('/x', 'plain', { readOnly: true, noCopy: true })] })
  assert.equal(t.sandboxes.claimed.length, 3)
})

test('a volume that is attached is copied and grown by its sandbox, else by the host', async () => {
  await using t = await TestEngine.create()
  const { volumes } = t.engine
  const id = await t.run('sleep', { mounts: [at('/data', 'data')] })
  const sandbox = t.sandboxes.last
  await volumes.snapshot(scope, 'data', 'live')
  await volumes.clone(scope, 'data', { name: 'clone' })
  assert.equal((await volumes.grow(scope, 'data', 20 * GiB)).sizeBytes, 20 * GiB)
  assert.deepEqual([...sandbox.grown], [['vol0', 20 * GiB]])
  await assert.rejects(volumes.restore(scope, 'data', 'live'), { code: 'volume_in_use' })
  await t.engine.containers.pause(scope, id)
  await assert.rejects(volumes.snapshot(scope, 'data', 'paused'), {
    message: /which is paused: unpause it first/,
  })
  await assert.rejects(volumes.grow(scope, 'data', 30 * GiB), { code: 'paused' })
  await t.engine.containers.remove(scope, id, { force: true, volumes: false })
  await volumes.snapshot(scope, 'data', 'still')
  await volumes.restore(scope, 'data', 'live')
  await volumes.clone(scope, 'data', { name: 'then', snapshot: 'still' })
  assert.deepEqual(
    t.volumes.done.filter((what) => !/tach/.test(what)),
    ['copy data live', 'copy data live', 'copy data', 'restore data live'],
  )
  assert.deepEqual(await names(t), ['data', 'clone', 'then'])
  await assert.rejects(volumes.restore(scope, 'data', 'never'), {
    kind: 'not_found',
    message: 'get data: no such snapshot: never',
  })
  await assert.rejects(volumes.snapshot(scope, 'data', '../x'), { code: 'bad_snapshot_name' })
})

test('a start waits while the volume is copied', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep', { mounts: [at('/data', 'data')] })
  const gate = Promise.withResolvers<void>()
  t.volumes.onCopy = () => gate.promise
  const taken = t.engine.volumes.snapshot(scope, 'data', 'first')
  const started = t.engine.containers.start(scope, id)
  await until('the copy has begun', () => t.volumes.done.includes('copy data'), deadline)
  assert.deepEqual(t.volumes.done, ['copy data'])
  gate.resolve()
  await Promise.all([taken, started])
  assert.deepEqual(t.volumes.done, ['copy data', 'attach data rw'])
})

test('what happens to volumes is told in events of Docker', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { mounts: [readOnly('/data', 'data')] })
  await t.engine.containers.remove(scope, id, { force: true, volumes: false })
  await t.engine.volumes.prune(scope, () => true)
  const told: unknown[] = []
  const since = { sinceNano: 0n, untilNano: BigInt(Date.now() + 1) * 1_000_000n }
  for await (const { type, action, actor } of t.engine.events.subscribe(scope, {
    ...since,
    signal: AbortSignal.timeout(10_000),
  })) {
    if (type === 'volume') told.push([action, actor.id, actor.attributes])
  }
  const where = { destination: '/data', propagation: '', 'read/write': 'false' }
  assert.deepEqual(told, [
    ['create', 'data', { driver: 'local' }],
    ['mount', 'data', { driver: 'local', container: id, ...where }],
    ['unmount', 'data', { driver: 'local', container: id }],
    ['destroy', 'data', { driver: 'local' }],
    ['prune', '', { reclaimed: String(2 ** 20) }],
  ])
})
