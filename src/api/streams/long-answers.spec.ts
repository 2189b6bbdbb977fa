import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { until } from '../../lib/deadline.ts'
import { Served } from '../support/serve.ts'
import { frame } from './stdcopy.ts'

const wait = { deadlineMs: 5_000 }

async function started(served: Served, body: object): Promise<string> {
  const { json } = await served.ask('POST', '/containers/create', { Image: 'busybox', ...body })
  await served.ask('POST', `/containers/${json.Id}/start`)
  return json.Id
}

test('wait sends its headers at once and its answer at the exit', async () => {
  await using served = await Served.start()
  const { json } = await served.ask('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep'] })
  const wire = served.connect()
  wire.send(`POST /containers/${json.Id}/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until('headers', () => wire.text.includes('\r\n\r\n'), wait)
  assert.match(wire.text, /^HTTP\/1.1 200 OK\r\n/)
  assert.equal(wire.body.length, 0)
  await served.ask('POST', `/containers/${json.Id}/start`)
  served.cloud.containers.entries.get(json.Id)!.process.exit(7)
  await until('the answer', () => wire.text.includes('{"StatusCode":7}\n'), wait)
  wire.socket.destroy()
})

test('wait knows its conditions, refuses others, and stops waiting when the client goes', async () => {
  await using served = await Served.start()
  const id = await started(served, { Cmd: ['exit', '3'] })
  assert.deepEqual((await served.ask('POST', `/containers/${id}/wait`)).json, { StatusCode: 3 })
  const bad = await served.ask('POST', `/containers/${id}/wait?condition=never`)
  assert.deepEqual([bad.status, bad.json.message], [400, 'invalid condition: "never"'])
  let aborted = false
  served.cloud.containers.wait = async (_scope, _ref, condition, { signal }) => {
    assert.equal(condition, 'removed')
    signal.addEventListener('abort', () => {
      aborted = true
    })
    return { outcome: new Promise(() => {}) }
  }
  const wire = served.connect()
  wire.send(`POST /containers/${id}/wait?condition=removed HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until('headers', () => wire.text.includes('\r\n\r\n'), wait)
  wire.socket.end()
  await until('the abort', () => aborted, wait)
  wire.socket.destroy()
})

test('logs are framed without a terminal and raw with one, with times when asked for', async () => {
  await using served = await Served.start()
  const plain = await started(served, { Cmd: ['both'] })
  const framed = await served.ask('GET', `/v1.42/containers/${plain}/logs?stdout=1&stderr=1`)
  assert.deepEqual(
    framed.body,
    Buffer.concat([frame('stdout', Buffer.from('out\n')), frame('stderr', Buffer.from('err\n'))]),
  )
  assert.equal(framed.headers['content-type'], 'application/vnd.docker.multiplexed-stream')
  const old = await served.ask('GET', `/v1.41/containers/${plain}/logs?stderr=True`)
  assert.equal(old.headers['content-type'], 'application/vnd.docker.raw-stream')
  assert.deepEqual(old.body, frame('stderr', Buffer.from('err\n')))
  const terminal = await started(served, { Cmd: ['echo', 'hi'], Tty: true })
  const raw = await served.ask('GET', `/containers/${terminal}/logs?stdout=1&timestamps=1`)
  assert.match(raw.text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z hi\n$/)
})

test('logs without a stream, or with times that are none, are refused', async () => {
  await using served = await Served.start()
  const id = await started(served, {})
  const none = await served.ask('GET', `/containers/${id}/logs`)
  assert.deepEqual(
    [none.status, none.json.message],
    [400, 'Bad parameters: you must choose at least one stream'],
  )
  const bad = await served.ask('GET', `/containers/${id}/logs?stdout=1&since=yesterday`)
  assert.equal(bad.status, 400)
  assert.match(bad.json.message, /^invalid query: since: "yesterday" is not a time/)
})

test('what is asked of logs reaches the engine', async () => {
  await using served = await Served.start()
  const id = await started(served, {})
  let asked: unknown
  served.cloud.containers.logs = async (_scope, _ref, query) => {
    asked = query
    return (async function* () {})()
  }
  await served.ask('GET', `/containers/${id}/logs?stdout=1&tail=5&since=1700000000.25&until=0&follow=0`)
  assert.deepEqual(asked, {
    stdout: true,
    stderr: false,
    follow: false,
    tail: 5,
    sinceNano: 1_700_000_000_250_000_000n,
    untilNano: null,
    lines: true,
  })
  for (const tail of ['all', '-1', '', 'x']) {
    await served.ask('GET', `/containers/${id}/logs?stdout=1&tail=${tail}`)
    assert.equal((asked as { tail: unknown }).tail, 'all')
  }
})

test('events come as JSON lines with exact times, are filtered, and end at the time asked for', async () => {
  await using served = await Served.start()
  await started(served, { Cmd: ['echo'], Labels: { a: 'b' } })
  await started(served, { Cmd: ['sleep'] })
  const filters = encodeURIComponent('{"label":["a=b"],"event":{"start":true,"die":true}}')
  const { text, headers } = await served.ask('GET', `/events?since=0&until=1&filters=${filters}`)
  assert.equal(headers['content-type'], 'application/json')
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    events.map(({ Type, Action, status, from, scope }) => ({ Type, Action, status, from, scope })),
    ['start', 'die'].map((Action) => ({
      Type: 'container',
      Action,
      status: Action,
      from: 'busybox',
      scope: 'local',
    })),
  )
  assert.ok(text.includes(`"timeNano":${served.cloud.events.past[1]!.timeNano}`))
  assert.equal((await served.ask('GET', '/events?since=5&until=4')).status, 400)
})

test('a client that follows events sees them as they happen, and is let go when it leaves', async () => {
  await using served = await Served.start()
  const wire = served.connect()
  wire.send('GET /events HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('headers', () => wire.text.includes('\r\n\r\n'), wait)
  await started(served, { Cmd: ['sleep'] })
  await until('the event', () => wire.text.includes('"Action":"start"'), wait)
  wire.socket.end()
  await until('the end', () => wire.ended, wait)
})

test('stats stream a sample at once, and one-shot answers without waiting', async () => {
  await using served = await Served.start()
  const id = await started(served, { Cmd: ['sleep'] })
  const wire = served.connect()
  wire.send(`GET /containers/${id}/stats HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until('a sample', () => wire.text.includes('"system_cpu_usage"'), wait)
  wire.socket.destroy()
  const once = await served.ask('GET', `/containers/${id}/stats?stream=0&one-shot=1`)
  assert.equal(once.json.preread, '0001-01-01T00:00:00Z')
  assert.equal(once.json.memory_stats.limit, 128 * 1024 * 1024)
  await served.ask('POST', `/containers/${id}/stop`)
  const stopped = await served.ask('GET', `/containers/${id}/stats?stream=false`)
  assert.deepEqual(stopped.json.memory_stats, {})
})

test('a pull tells its progress, fails as a status before the first line and in a line after it', async () => {
  await using served = await Served.start()
  const pulled = await served.ask('POST', '/images/create?fromImage=alpine&tag=3')
  assert.equal(pulled.status, 200)
  assert.deepEqual(JSON.parse(pulled.text.split('\r\n')[1]!), {
    status: 'Downloading',
    id: 'abc',
    progressDetail: { current: 5, total: 10 },
  })
  const missing = await served.ask('POST', '/images/create?fromImage=missing&tag=1')
  assert.deepEqual([missing.status, missing.json.message], [404, 'manifest for missing:1 not found'])
  const broken = await served.ask('POST', '/images/create?fromImage=breaks&tag=1')
  assert.equal(broken.status, 200)
  assert.equal(
    broken.text.split('\r\n')[1],
    '{"errorDetail":{"message":"the layer is broken"},"error":"the layer is broken"}',
  )
})

test('a pull ends when its client goes', async () => {
  await using served = await Served.start()
  const wire = served.connect()
  wire.send('POST /images/create?fromImage=endless&tag=1 HTTP/1.1\r\nHost: x\r\n\r\n')
  const { images } = served.cloud
  await until('the pull', () => images.pullAborted !== null, wait)
  wire.socket.destroy()
  await images.pullAborted
})

test('a client that does not read is spared progress bars instead of filling memory', async () => {
  await using served = await Served.start({ progressBacklogBytesMax: 10_000 })
  let told = 0
  served.cloud.images.pull = async (_scope, _reference, { progress }) => {
    progress({ status: 'Pulling' })
    for (; told < 100_000; told++) progress({ id: 'x', progressDetail: { current: told, total: 100_000 } })
    progress({ status: 'Done' })
  }
  const { text } = await served.ask('POST', '/images/create?fromImage=a&tag=1')
  const lines = text.trimEnd().split('\r\n')
  assert.equal(lines.at(-1), '{"status":"Done"}')
  assert.ok(lines.length < 10_000, `${lines.length} lines`)
})

test('archives go in and out as streams', async () => {
  await using served = await Served.start()
  const loaded = await served.ask('POST', '/images/load?quiet=1', 'archive', {
    'Content-Type': 'application/x-tar',
  })
  assert.equal(loaded.text, '{"stream":"Loaded image: archive\\n"}\r\n')
  const saved = await served.ask('GET', '/images/get?names=busybox&names=localhost:5000/a/b:1')
  assert.deepEqual(
    [saved.headers['content-type'], saved.text],
    ['application/x-tar', 'archive of busybox and localhost:5000/a/b:1'],
  )
  assert.equal(
    (await served.ask('GET', '/images/localhost:5000/a/b:1/get')).text,
    'archive of localhost:5000/a/b:1',
  )
  assert.equal((await served.ask('GET', '/images/get?names=nosuch')).status, 404)
  const path = '/images/create?fromSrc=-&repo=mine&tag=v1&message=hi&changes=CMD%20a&changes=ENV%20b'
  const imported = await served.ask('POST', path, 'root tar')
  assert.match(imported.text, /^\{"status":"sha256:4+"\}\r\n$/)
  const [{ content, reference, message, changes }] = served.cloud.images.imported as [Record<string, unknown>]
  assert.deepEqual([content, reference, message, changes], ['root tar', 'mine:v1', 'hi', ['CMD a', 'ENV b']])
})

test('an upload is not read faster than it is used', async () => {
  await using served = await Served.start()
  const asked = Promise.withResolvers<void>()
  served.cloud.images.load = async () => {
    asked.resolve()
    await new Promise(() => {})
  }
  const upload = request({
    socketPath: served.socketPath,
    method: 'POST',
    path: '/images/load',
    agent: false,
  })
  upload.on('error', () => {})
  let sent = 0
  const chunk = Buffer.alloc(1 << 20)
  while (upload.write(chunk)) sent++
  await asked.promise
  assert.ok(upload.writableLength > 0)
  assert.ok(sent < 64)
  upload.destroy()
})
