import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeEntry } from '../../../engine/support/fake-files.ts'
import { sampleRequest } from '../../support/samples.ts'
import { Served } from '../../support/serve.ts'
import { goFileMode, pathStatJson } from './path-stat.present.ts'

async function serve() {
  const served = await Served.start()
  await served.cloud.containers.create({ project: 'default' }, { ...sampleRequest, name: 'web' })
  return served
}

test('a mode is told as Go has it', () => {
  const cases: [Parameters<typeof goFileMode>[0], number][] = [
    [{ kind: 'directory', mode: 0o1777 }, 2_148_532_735],
    [{ kind: 'file', mode: 0o6755 }, 12_583_405],
    [{ kind: 'symlink', mode: 0o777 }, 134_218_239],
    [{ kind: 'fifo', mode: 0o644 }, 33_554_852],
    [{ kind: 'character', mode: 0o666 }, 69_206_454],
    [{ kind: 'block', mode: 0o660 }, 67_109_296],
    [{ kind: 'socket', mode: 0o755 }, 16_777_709],
  ]
  for (const [entry, mode] of cases) assert.equal(goFileMode(entry), mode, entry.kind)
})

test('a path is told of with its size and its time, whatever they are', () => {
  const of = (more: object) => pathStatJson({ name: 'x', entry: fakeEntry('', more), linkTarget: '' })
  assert.equal(of({ mtimeNs: 1_700_000_000_120_000_000n }).mtime, '2023-11-14T22:13:20.12Z')
  assert.equal(of({ mtimeNs: -1n }).mtime, '1969-12-31T23:59:59.999999999Z')
  assert.equal(of({ mtimeNs: 2n ** 63n - 1n }).mtime, '2262-04-11T23:47:16.854775807Z')
  assert.equal(of({ kind: 'directory' }).size, 4096)
  assert.equal(of({ kind: 'symlink', target: '/ü' }).size, 3)
})

test('files go out with what they are in a header, and in as they come', async () => {
  await using served = await serve()
  const head = await served.ask('HEAD', '/v1.41/containers/web/archive?path=/etc/passwd')
  assert.equal(head.status, 200)
  const stat = JSON.parse(
    Buffer.from(String(head.headers['x-docker-container-path-stat']), 'base64').toString(),
  )
  assert.deepEqual(stat, {
    name: 'passwd',
    size: 5,
    mode: 8_389_101,
    mtime: '2023-11-14T22:13:20.5Z',
    linkTarget: '',
  })
  const got = await served.ask('GET', '/v1.41/containers/web/archive?path=/etc')
  assert.deepEqual(
    [got.status, got.headers['content-type'], got.text],
    [200, 'application/x-tar', 'tar of /etc'],
  )
  assert.ok(got.headers['x-docker-container-path-stat'])
  const options = 'path=/tmp&noOverwriteDirNonDir=true&copyUIDGID=1'
  const put = await served.ask('PUT', `/v1.41/containers/web/archive?${options}`, 'a tar', {
    'Content-Type': 'application/x-tar',
  })
  assert.deepEqual([put.status, put.text], [200, ''])
  assert.deepEqual(served.cloud.containers.calls.at(-1), [
    'extract',
    'web',
    { path: '/tmp', noOverwrite: true, toUser: true },
    'a tar',
  ])
})

test('a path that is missing, or was not given, is told of in dockerd’s words', async () => {
  await using served = await serve()
  const missing = await served.ask('GET', '/v1.41/containers/web/archive?path=/missing')
  assert.deepEqual(
    [missing.status, missing.json],
    [404, { message: 'Could not find the file /missing in container web' }],
  )
  assert.equal((await served.ask('HEAD', '/v1.41/containers/web/archive?path=/missing')).status, 404)
  for (const method of ['GET', 'HEAD', 'PUT']) {
    assert.equal((await served.ask(method, '/v1.41/containers/web/archive')).status, 400)
  }
})

test('changes are a list, or null', async () => {
  await using served = await serve()
  assert.equal((await served.ask('GET', '/v1.41/containers/web/changes')).json, null)
  await served.cloud.containers.start({ project: 'default' }, 'web')
  const { json } = await served.ask('GET', '/v1.41/containers/web/changes')
  assert.deepEqual(json, [{ Path: '/written', Kind: 1 }])
  assert.equal((await served.ask('GET', '/v1.41/containers/none/changes')).status, 404)
})

test('a commit says what of the configuration is to be another, or nothing', async () => {
  await using served = await serve()
  const path = '/v1.41/commit?container=web&repo=mine&tag=2&comment=hi&author=me&changes=CMD+x&changes=USER+y'
  const made = await served.ask('POST', path, null)
  assert.deepEqual([made.status, Object.keys(made.json)], [201, ['Id']])
  const told = { comment: 'hi', author: 'me', pause: true, changes: ['CMD x', 'USER y'] }
  assert.deepEqual(served.cloud.containers.calls.at(-1), [
    'commit',
    'web',
    { reference: 'mine:2', ...told, config: {} },
  ])
  await served.ask('POST', '/v1.41/commit?container=web&pause=0', { Cmd: ['ls'], Env: ['A=1'] })
  const [, , options] = served.cloud.containers.calls.at(-1) as [
    unknown,
    unknown,
    { pause: boolean; config: object },
  ]
  assert.equal(options.pause, false)
  assert.deepEqual(
    Object.entries(options.config).filter(([, value]) => Array.isArray(value) && value.length > 0),
    [
      ['Env', ['A=1']],
      ['Cmd', ['ls']],
    ],
  )
  assert.equal((await served.ask('POST', '/v1.41/commit?container=web&repo=ok&tag=-bad')).status, 400)
  assert.equal((await served.ask('POST', '/v1.41/commit?container=web', { Cmd: 7 })).status, 400)
})
