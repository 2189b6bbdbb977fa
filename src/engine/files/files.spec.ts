import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../lib/deadline.ts'
import { tar } from '../../lib/support/tar.ts'
import type { FileChange } from '../ports/files.ts'
import type { FakeSandbox } from '../support/fake-sandboxes.ts'
import { scope, TestEngine } from '../support/test-engine.ts'
import { withoutOwn } from './changes.ts'

const signal = AbortSignal.timeout(30_000)
const put = { path: '/', noOverwrite: false, toUser: false, signal }
const archive = (name: string, data: string) => chunks(tar({ name, data }))

async function* chunks(...parts: Buffer[]): AsyncGenerator<Buffer> {
  yield* parts
}

async function textOf(content: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of content) text += chunk.toString('latin1')
  return text
}

/** A gate that something can be held at. */
function gate() {
  const reached = Promise.withResolvers<void>()
  const open = Promise.withResolvers<void>()
  const pass = async () => {
    reached.resolve()
    await open.promise
  }
  return { pass, reached: reached.promise, open: open.resolve }
}

test('a container that never ran is opened once for all who come, and keeps what they put into it', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.create('sleep', { workingDir: '/srv/app' })
  const both = [archive('a', 'first'), archive('b', 'second')]
  await Promise.all(both.map((source) => containers.extractArchive(scope, id, source, put)))
  assert.equal(cloud.sandboxes.claimed.length, 1)
  const opened = cloud.sandboxes.last
  assert.deepEqual(opened.configuration?.interfaces, [])
  assert.equal(opened.request.scratch.fresh, true)
  assert.equal(opened.processes.size, 0)
  assert.deepEqual([opened.files.text('a'), opened.files.text('b')], ['first', 'second'])
  assert.equal(opened.files.files.get('srv/app')?.entry.kind, 'directory')

  await containers.start(scope, id)
  assert.equal(opened.isOver, 'shutdown')
  assert.equal(cloud.sandboxes.last.request.scratch.fresh, false)
  assert.equal((await cloud.state(id)).status, 'running')
})

test('what runs is reached in its own sandbox', async () => {
  await using cloud = await TestEngine.create()
  const id = await cloud.run('sleep')
  const { files } = cloud.sandboxes.last
  files.directory('etc').file('etc/motd', 'hello')
  const { containers } = cloud.engine
  const stat = await containers.statPath(scope, id, 'etc/motd')
  assert.deepEqual([stat.name, stat.entry.size, stat.linkTarget], ['motd', 5, ''])
  await using found = await containers.readArchive(scope, id, '/etc')
  assert.match(await textOf(found.content), /^etc\/\0.*etc\/motd\0.*hello/s)
  assert.equal(cloud.sandboxes.claimed.length, 1)
})

test('a start waits for who is at work, and for nobody else', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.create('sleep')
  const held = gate()
  cloud.sandboxes.onNew = (sandbox) => {
    sandbox.files.onCall = (what) => (what === 'write' ? held.pass() : undefined)
  }
  const copying = containers.extractArchive(scope, id, archive('a', 'x'), put)
  await held.reached
  const opened = cloud.sandboxes.last
  const starting = containers.start(scope, id)
  await new Promise(setImmediate)
  assert.equal(opened.isOver, undefined)
  held.open()
  await copying
  await starting
  assert.equal(opened.files.text('a'), 'x')
  assert.equal(opened.isOver, 'shutdown')
})

test('a removal does not wait', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.create('sleep')
  await containers.statPath(scope, id, '/')
  const opened = cloud.sandboxes.last
  await containers.remove(scope, id, { force: false, volumes: false })
  assert.equal(opened.isOver, 'killed')
  await assert.rejects(containers.statPath(scope, id, '/'), { kind: 'not_found' })
})

test('a sandbox that was opened is ended in order when the daemon ends, or by the next one', async () => {
  await using cloud = await TestEngine.create()
  const first = await cloud.create('sleep')
  await cloud.engine.containers.extractArchive(scope, first, archive('a', 'x'), put)
  await cloud.restart()
  assert.equal(cloud.sandboxes.last.isOver, 'shutdown')

  const second = await cloud.create('sleep')
  let opened: FakeSandbox | undefined
  cloud.sandboxes.onNew = (sandbox) => {
    opened = sandbox
    // As when the daemon is killed: it does not come to end what it opened.
    sandbox.shutdown = async () => {}
  }
  await cloud.engine.containers.extractArchive(scope, second, archive('b', 'y'), put)
  const stored = await cloud.engine.containers.get(scope, second)
  assert.equal(stored.sandbox?.id, second)
  opened!.crash()
})

test('one that crashed is opened anew', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.create('sleep')
  await containers.statPath(scope, id, '/')
  cloud.sandboxes.last.crash()
  await cloud.sandboxes.last.ended
  await containers.statPath(scope, id, '/')
  assert.equal(cloud.sandboxes.claimed.length, 2)
  assert.equal(cloud.sandboxes.last.request.scratch.fresh, false)
})

test('the guest of a paused container runs while its files are read, its processes do not', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.run('sleep')
  const sandbox = cloud.sandboxes.last
  await containers.pause(scope, id)
  assert.deepEqual([sandbox.isPaused, sandbox.isFrozen], [true, true])
  sandbox.files.onCall = () => assert.deepEqual([sandbox.isPaused, sandbox.isFrozen], [false, true])
  await containers.statPath(scope, id, '/')
  assert.deepEqual([sandbox.isPaused, sandbox.isFrozen], [true, true])
  await containers.unpause(scope, id)
  assert.deepEqual([sandbox.isPaused, sandbox.isFrozen], [false, false])
})

test('a container stands still while it is committed, unless told not to', async () => {
  await using cloud = await TestEngine.create()
  const id = await cloud.run('sleep')
  const sandbox = cloud.sandboxes.last
  const options = { comment: '', author: '', changes: [], config: {}, signal }
  for (const pause of [true, false]) {
    sandbox.files.onCall = () => assert.equal(sandbox.isFrozen, pause)
    assert.equal(await cloud.engine.containers.commit(scope, id, { ...options, pause }), 'sha256:made')
    assert.equal(sandbox.isFrozen, false)
  }
})

test('what a daemon that died has frozen goes on with the next one, and what it let run stands still', async () => {
  await using cloud = await TestEngine.create()
  const running = await cloud.run('sleep')
  const committed = cloud.sandboxes.last
  const paused = await cloud.run('sleep')
  const read = cloud.sandboxes.last
  await cloud.engine.containers.pause(scope, paused)
  await cloud.restart(async () => {
    await committed.freeze()
    await committed.pause()
    await read.resume()
  })
  await until('it to go on', () => !committed.isPaused && !committed.isFrozen, { deadlineMs: 5_000 })
  await until('it to stand still', () => read.isPaused && read.isFrozen, { deadlineMs: 5_000 })
  assert.equal((await cloud.state(running)).status, 'running')
  assert.equal((await cloud.state(paused)).status, 'paused')
})

test('what is wrong with a path is told in dockerd’s words', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.run('sleep')
  cloud.sandboxes.last.files.file('f', 'x')
  await assert.rejects(containers.statPath(scope, id, '/no'), {
    kind: 'not_found',
    message: `Could not find the file /no in container ${id}`,
  })
  await assert.rejects(containers.extractArchive(scope, id, archive('a', ''), { ...put, path: '/no' }), {
    kind: 'not_found',
  })
  await assert.rejects(containers.extractArchive(scope, id, archive('a', ''), { ...put, path: '/f' }), {
    kind: 'invalid',
    message: 'extraction point is not a directory',
  })
  await assert.rejects(containers.readArchive(scope, id, '/f/'), {
    kind: 'invalid',
    message: '/f/: not a directory',
  })
})

test('a link at the end of a path is followed into when a slash says so', async () => {
  await using cloud = await TestEngine.create()
  const { containers } = cloud.engine
  const id = await cloud.run('sleep')
  const { files } = cloud.sandboxes.last
  files.directory('real').file('real/x', '1').symlink('link', '/real')
  assert.equal((await containers.statPath(scope, id, '/link')).linkTarget, '/real')
  assert.equal((await containers.statPath(scope, id, '/link/')).entry.kind, 'directory')
  await using found = await containers.readArchive(scope, id, '/link/.')
  assert.match(await textOf(found.content), /^\.\/\0.*\.\/x\0/s)
  await containers.extractArchive(scope, id, archive('y', '2'), { ...put, path: '/link' })
  assert.equal(files.text('real/y'), '2')
})

test('of what the guest made for its mounts no change is told', async () => {
  const tell = async function* (...paths: string[]): AsyncGenerator<FileChange> {
    for (const path of paths) yield { path, kind: 'added' }
  }
  const told = async (...paths: string[]) =>
    (await Array.fromAsync(withoutOwn(tell(...paths)))).map(({ path }) => path)
  assert.deepEqual(await told('/etc', '/x'), ['/x'])
  assert.deepEqual(await told('/etc'), [])
  assert.deepEqual(await told('/etc', '/etc/issue', '/etc/x'), ['/etc', '/etc/issue', '/etc/x'])
})
