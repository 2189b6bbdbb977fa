import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import { exhausted, HummingbirdError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { failureOf } from './errors.ts'
import { Served } from './support/serve.ts'
import { startBody, startHead, upgrade, withExec } from './support/wire.ts'

const wait = { deadlineMs: 10_000 }
const second = 'GET /second HTTP/1.1\r\nHost: x\r\n\r\n'
const create = 'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

/** Each is read differently by servers that stand in front of one another. */
const smuggled: [what: string, bytes: string][] = [
  [
    'a length and chunks',
    `${create}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
  ],
  [
    'chunks and a length',
    `${create}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${second}`,
  ],
  ['two lengths', `${create}Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}${second}`],
  ['two lengths in one', `${create}Content-Length: 2, 2\r\n\r\n{}${second}`],
  ['a length with a sign', `${create}Content-Length: +2\r\n\r\n{}${second}`],
  ['a length in hexadecimal', `${create}Content-Length: 0x2\r\n\r\n{}${second}`],
  ['a space before the colon', `${create}Content-Length : 60\r\n\r\n{}${second}`],
  ['a folded header', `${create}X: a\r\n b\r\nContent-Length:\r\n 60\r\n\r\n{}${second}`],
  ['ends of lines without a return', `${create.replaceAll('\r', '')}Content-Length: 2\n\n{}${second}`],
  ['a return alone', `${create}X: a\rContent-Length: 60\r\n\r\n{}${second}`],
  ['chunked twice', `${create}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n${second}`],
  ['chunked by another name', `${create}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${second}`],
  ['a chunk of no number', `${create}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${second}`],
  [
    'a chunk of endless length',
    `${create}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(40)}\r\n{}${second}`,
  ],
  ['a byte of nothing in a header', `${create}X: a\0b\r\n\r\n${second}`],
  ['no version', `GET /_ping\r\n\r\n${second}`],
]

for (const [what, bytes] of smuggled) {
  test(`a request with ${what} is refused, and what follows it is never taken for another`, async () => {
    await using served = await Served.start()
    const wire = served.connect()
    wire.send(bytes)
    await until('the end', () => wire.ended || wire.closed, wait)
    assert.match(wire.text, /^HTTP\/1\.1 4\d\d /)
    assert.equal(wire.text.match(/HTTP\/1\.1 /g)?.length, 1, wire.text)
    assert.equal(served.cloud.containers.entries.size, 0)
    assert.deepEqual(served.faults, [])
    wire.socket.destroy()
  })
}

test('extensions of chunks are bounded', async () => {
  await using served = await Served.start()
  const wire = served.connect()
  wire.send(`${create}Transfer-Encoding: chunked\r\n\r\n`)
  wire.send(`1;${'x'.repeat(65_536)}\r\n{\r\n`)
  await until('the end', () => wire.ended || wire.closed, wait)
  assert.match(wire.text, /^HTTP\/1\.1 413 /)
  wire.socket.destroy()
})

test('an upgrade with a chunked body, or without one where there must be, is refused', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['cat'])
  const chunked = served.connect()
  chunked.send(
    `POST /exec/${id}/start HTTP/1.1\r\n${upgrade}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  )
  await until('the refusal', () => chunked.text.includes('HTTP/1.1 400'), wait)
  const none = served.connect()
  none.send(`POST /exec/${id}/start HTTP/1.1\r\n${upgrade}\r\n`)
  await until('its answer', () => none.text.startsWith('HTTP/1.1 '), wait)
  assert.deepEqual(served.faults, [])
  for (const { socket } of [chunked, none]) socket.destroy()
})

test('clients that go in the midst of a hijacked connection, or close one half of it, leave nothing', async () => {
  await using served = await Served.start({ lingerMs: 50, vanishedProbeMs: 20 })
  for (const end of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const id = await withExec(served, ['cat'])
    const wire = served.connect()
    wire.send(startHead(id), startBody)
    await until('the stream', () => wire.text.includes('101 UPGRADED'), wait)
    if (end === 'resetAndDestroy') wire.socket.destroy(new Error('gone'))
    else wire.socket[end]()
    if (end === 'end') await until('the end of its other half', () => wire.ended, wait)
    wire.socket.destroy()
  }
  assert.equal((await served.ask('GET', '/_ping')).text, 'OK')
  assert.deepEqual(served.faults, [])
})

test('a client that does not come to the end of its headers, or sends none, is let go', async () => {
  await using served = await Served.start({ headersTimeoutMs: 200 })
  const slow = served.connect()
  slow.send('GET /_ping HTTP/1.1\r\nHost: x\r\nX-One: ')
  const silent = served.connect()
  await until('both ends', () => slow.ended && silent.ended, wait)
  assert.match(slow.text, /^HTTP\/1\.1 408 Request Timeout/)
  for (const { socket } of [slow, silent]) socket.destroy()
})

test('a body that stops coming ends its request, and an answer that takes long does not', async () => {
  await using served = await Served.start({
    jsonBodyTimeoutMs: 200,
    uploadStallMs: 200,
    headersTimeoutMs: 200,
    lingerMs: 50,
  })
  const events = served.connect()
  events.send('GET /events HTTP/1.1\r\nHost: x\r\n\r\n')
  const body = served.connect()
  body.send(`${create}Content-Length: 20\r\n\r\n{`)
  await until('the refusal of the body', () => /^HTTP\/1\.1 504 /.test(body.text), wait)
  const upload = served.connect()
  upload.send(
    'POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: 2000\r\n\r\nsome',
  )
  await until('the refusal of the upload', () => upload.text.includes('did not finish within 200 ms'), wait)
  const { json } = await served.ask('POST', '/containers/create?name=seen', { Image: 'busybox' })
  assert.ok(json.Id)
  await until('the event of it', () => events.text.includes(json.Id) || events.text.includes('200 OK'), wait)
  assert.equal(events.ended, false)
  for (const { socket } of [events, body, upload]) socket.destroy()
})

test('connections beyond the most are told so, those beyond them are closed, and all is well when some have gone', async () => {
  await using served = await Served.start({ connectionsMax: 20, connectionsToldMax: 4 })
  const idle = Array.from({ length: 20 }, () => served.connect())
  for (const wire of idle) wire.send('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('all answers', () => idle.every(({ text }) => text.includes('200 OK')), wait)
  const refused = await served.ask('GET', '/_ping')
  assert.equal(refused.status, 503)
  assert.match(refused.json.message, /serves 20 connections already: close some/)
  const silent = Array.from({ length: 4 }, () => served.connect())
  const closed = served.connect()
  await until('its end', () => closed.closed || closed.ended, wait)
  assert.equal(closed.text, '')
  for (const { socket } of [...idle, ...silent, closed]) socket.destroy()
  await until('room', async () => (await served.ask('GET', '/_ping')).status === 200, wait)
})

test('names that objects have of their own, and JSON of great depth, are values like others', async () => {
  await using served = await Served.start()
  const headers = { 'Content-Type': 'application/json' }
  const hostile =
    '{"Image":"busybox","__proto__":{"admin":true},"Labels":{"__proto__":"x","constructor":"y"}}'
  const { status } = await served.ask('POST', '/containers/create', hostile, headers)
  assert.ok(status === 201 || status === 400)
  assert.equal(({} as { admin?: unknown }).admin, undefined)
  const deep = await served.ask('POST', '/containers/create', `{"a":`.repeat(100_000), headers)
  assert.equal(deep.status, 400)
  for (const auth of ['garbage', '!!!!', Buffer.from('[1]').toString('base64'), 'x'.repeat(40_000)]) {
    const answer = await served.ask('POST', '/images/create?fromImage=busybox', undefined, {
      'X-Registry-Auth': auth,
    })
    assert.ok(answer.status < 500, answer.text)
  }
  assert.deepEqual(served.faults, [])
})

test('what the host has no more of is told by name, and no path of it', () => {
  const told = (code: string) =>
    failureOf(Object.assign(new Error(`${code}: open '/var/lib/secret'`), { code }), silentLog)
  assert.deepEqual(
    ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM'].map((code) => told(code).status),
    [507, 507, 503, 503, 503, 503],
  )
  assert.match(told('ENOSPC').message, /^no space left on device/)
  assert.doesNotMatch(told('EMFILE').message, /secret/)
  assert.equal(failureOf(exhausted('disk_full', 'no space left on device'), silentLog).status, 507)
  const helper = new HummingbirdError('internal', 'command_failed', 'mke2fs: No space left on device')
  assert.equal(failureOf(helper, silentLog).status, 507)
})
