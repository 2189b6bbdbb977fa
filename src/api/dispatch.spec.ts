import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import { forbidden, HummingbirdError, internal, invalid } from '../lib/errors.ts'
import { MiB } from '../lib/units.ts'
import { Served } from './support/serve.ts'

const wait = { deadlineMs: 5_000 }

test('ping answers who this is, to GET and HEAD, with and without a version', async () => {
  await using served = await Served.start()
  for (const path of ['/_ping', '/v1.22/_ping', '/v1.50/_ping']) {
    const { status, headers, text } = await served.ask('GET', path)
    assert.deepEqual([status, text], [200, 'OK'])
    assert.equal(headers['api-version'], '1.50')
    assert.equal(headers.ostype, 'linux')
    assert.equal(headers['docker-experimental'], 'false')
    assert.equal(headers['cache-control'], 'no-cache, no-store, must-revalidate')
    assert.equal(headers.pragma, 'no-cache')
    assert.match(String(headers.server), /^Hummingbird\/\d+\.\d+\.\d+ \(linux\)$/)
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
  }
  const head = await served.ask('HEAD', '/_ping')
  assert.deepEqual([head.status, head.text, head.headers['api-version']], [200, '', '1.50'])
})

test('versions that are not spoken are refused in the words of dockerd', async () => {
  await using served = await Served.start()
  const tooNew = await served.ask('GET', '/v1.51/info')
  assert.equal(tooNew.status, 400)
  assert.equal(tooNew.json.message, 'client version 1.51 is too new. Maximum supported API version is 1.50')
  const tooOld = await served.ask('GET', '/v1.9/info')
  assert.equal(tooOld.status, 400)
  assert.equal(
    tooOld.text,
    'client version 1.9 is too old. Minimum supported API version is 1.22, please upgrade your client to a newer version\n',
  )
})

test('an unknown path and a wrong method are pages that are not found', async () => {
  await using served = await Served.start()
  for (const [method, path] of [
    ['GET', '/nosuch'],
    ['GET', '/v1.x/info'],
    ['PATCH', '/info'],
    ['POST', '/info'],
    ['HEAD', '/info'],
    ['GET', '/containers/json/'],
    ['GET', '/v1.50'],
  ] as const) {
    const { status, text } = await served.ask(method, path)
    assert.equal(status, 404, `${method} ${path}`)
    if (method !== 'HEAD') assert.equal(text, '{"message":"page not found"}\n')
  }
})

test('clients of before 1.24 are told errors as plain text', async () => {
  await using served = await Served.start()
  const old = await served.ask('GET', '/v1.23/containers/x/json')
  assert.deepEqual([old.status, old.text], [404, 'No such container: x\n'])
  const recent = await served.ask('GET', '/v1.24/containers/x/json')
  assert.deepEqual(recent.json, { message: 'No such container: x' })
})

test('bodies that are no JSON, or not said to be, are refused in the words of dockerd', async () => {
  await using served = await Served.start()
  const create = async (body: string, type?: string) => {
    const { status, json } = await served.ask(
      'POST',
      '/containers/create',
      body,
      type ? { 'Content-Type': type } : {},
    )
    assert.equal(status, 400)
    return json.message as string
  }
  const type = 'application/json'
  assert.equal(
    await create('{}', 'text/plain'),
    "unsupported Content-Type header (text/plain): must be 'application/json'",
  )
  assert.equal(await create('{}'), 'malformed Content-Type header (): mime: no media type')
  assert.equal(await create(' ', type), 'invalid JSON: got EOF while reading request body')
  assert.match(await create('{"Image":', type), /^invalid JSON: /)
  assert.match(await create('{} {}', type), /^invalid JSON: /)
  assert.match(
    await create('{"Image":5}', `${type}; charset=utf-8`),
    /^invalid JSON: Image: .*expected string/,
  )
  assert.equal(await create(`${'['.repeat(500)}`, type), 'invalid JSON: nested more than 100 levels deep')
  assert.match(await create(`{"Image":"${'x'.repeat(1 << 20)}"}`, type), /larger than 1048576 bytes/)
  assert.equal(await create('', type), 'invalid JSON: got EOF while reading request body')
  assert.equal(await create('null', type), 'config cannot be empty in order to create a container')
})

test('a body that is too large is refused before it has come', async () => {
  await using served = await Served.start({ lingerMs: 50 })
  const wire = served.connect()
  wire.send('POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n')
  wire.send('Content-Length: 9999999999\r\n\r\n{')
  await until('the end', () => wire.ended, wait)
  assert.match(wire.text, /^HTTP\/1.1 400 [\s\S]*larger than/)
  wire.socket.destroy()
})

test('a chunked body is bounded too', async () => {
  await using served = await Served.start({ jsonBodyBytesMax: 1000 })
  const wire = served.connect()
  wire.send(
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  for (let i = 0; i < 20; i++) wire.send(`64\r\n${'x'.repeat(100)}\r\n`)
  await until('the answer', () => wire.text.includes('larger than 1000 bytes'), wait)
  wire.socket.destroy()
})

test('what is no HTTP, or has too large a head, is refused and the connection closed', async () => {
  await using served = await Served.start()
  for (const [sent, status] of [
    ['hello\r\n\r\n', 400],
    [`GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`, 431],
  ] as const) {
    const wire = served.connect()
    wire.send(sent)
    await until('the end', () => wire.ended, wait)
    assert.match(wire.text, new RegExp(`^HTTP/1.1 ${status} `))
    wire.socket.destroy()
  }
})

test('a client that closes its side after asking is answered', async () => {
  await using served = await Served.start()
  const wire = served.connect()
  wire.socket.end('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('the end', () => wire.ended, wait)
  assert.match(wire.text, /^HTTP\/1.1 200 OK\r\n[\s\S]*OK$/)
})

test('one connection carries many requests, also after refusals', async () => {
  await using served = await Served.start()
  const wire = served.connect()
  wire.send('GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /containers/x/json HTTP/1.1\r\nHost: x\r\n\r\n')
  wire.send(
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{',
  )
  wire.send('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(
    'four answers',
    () => wire.text.match(/HTTP\/1.1/g)?.length === 4 && wire.text.endsWith('OK'),
    wait,
  )
  assert.deepEqual(
    [...wire.text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status),
    ['404', '404', '400', '200'],
  )
  wire.socket.destroy()
})

test('every kind of failure has its status, and not_modified no content', async () => {
  await using served = await Served.start()
  const statuses: Record<string, number> = {
    invalid: 400,
    unauthorized: 401,
    forbidden: 403,
    not_found: 404,
    conflict: 409,
    exhausted: 429,
    internal: 500,
    not_implemented: 501,
    unavailable: 503,
    deadline: 504,
  }
  for (const [kind, status] of Object.entries(statuses)) {
    served.cloud.containers.pause = async () => {
      throw new HummingbirdError(kind as 'invalid', 'code', `it is ${kind}`)
    }
    const answer = await served.ask('POST', '/containers/x/pause')
    assert.deepEqual([answer.status, answer.json], [status, { message: `it is ${kind}` }])
  }
  const { json: made } = await served.ask('POST', '/containers/create', { Image: 'busybox' })
  const stopped = await served.ask('POST', `/containers/${made.Id}/stop`)
  assert.deepEqual([stopped.status, stopped.text], [304, ''])
})

test('an error without a kind is logged under an id, and only the id is told', async () => {
  await using served = await Served.start()
  for (const error of [new TypeError('secret'), internal('command_failed', 'ip link secret'), 'secret']) {
    served.faults.length = 0
    served.cloud.containers.pause = async () => {
      throw error
    }
    const { status, text } = await served.ask('POST', '/containers/x/pause')
    const id =
      /^\{"message":"internal error ([0-9a-f]{12}): the daemon's log has it under this id"\}\n$/.exec(
        text,
      )?.[1]
    assert.equal(status, 500)
    assert.deepEqual(
      served.faults.map((fault) => (fault as { id: string }).id),
      [id],
    )
  }
})

test('a request that was cancelled is not answered', async () => {
  await using served = await Served.start()
  served.cloud.containers.pause = async () => {
    throw new HummingbirdError('cancelled', 'cancelled', 'the request was cancelled')
  }
  await assert.rejects(served.ask('POST', '/containers/x/pause'), { code: 'ECONNRESET' })
})

test('the scope of a request is asked for each, and its refusal answered', async () => {
  const { createDockerApi } = await import('./server.ts')
  const { fakeCloud } = await import('./support/fake-backends.ts')
  const seen: (string | undefined)[] = []
  const api = createDockerApi({
    backends: fakeCloud(),
    scopeOf: (request) => {
      seen.push(request.url)
      throw forbidden('closed', 'nobody may')
    },
  })
  const { port } = await api.listen({ host: '127.0.0.1', port: 0 })
  const response = await fetch(`http://127.0.0.1:${port}/v1.41/info`)
  assert.deepEqual([response.status, await response.json()], [403, { message: 'nobody may' }])
  assert.deepEqual(seen, ['/v1.41/info'])
  await api.close()
})

test('a client that is still sending is told why its upload was refused', async () => {
  await using served = await Served.start()
  served.cloud.images.load = async (_scope, source) => {
    await pipeline(
      source,
      new Writable({ write: (_chunk, _encoding, done) => done(invalid('bad', 'no archive')) }),
    )
  }
  const sent = Buffer.alloc(20 * MiB)
  const answer = await served.ask('POST', '/images/load', sent)
  assert.deepEqual([answer.status, answer.json], [400, { message: 'no archive' }])
  assert.deepEqual(served.faults, [])
})

test('a refused upload is taken to its end, and the connection then carries the next request', async () => {
  await using served = await Served.start()
  const wire = served.connect()
  const loads: ((source: Readable) => Promise<unknown>)[] = [
    async () => {},
    (source) => once(source, 'readable'),
    (source) => pipeline(source, new Writable({ write: (_chunk, _encoding, done) => done(null) })),
  ]
  for (const [nth, load] of loads.entries()) {
    served.cloud.images.load = async (_scope, source) => {
      await load(source)
      throw invalid('bad', `no archive ${nth}`)
    }
    wire.send(`POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: ${20 * MiB}\r\n\r\n`)
    wire.send(Buffer.alloc(20 * MiB))
    await until('the refusal', () => wire.text.includes(`no archive ${nth}`), wait)
    wire.send('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('the next answer', () => wire.text.match(/\r\nOK/g)?.length === nth + 1, wait)
  }
  wire.socket.destroy()
})

test('a client that breaks off its upload is no fault of ours', async () => {
  await using served = await Served.start()
  const begun = Promise.withResolvers<void>()
  const failed = Promise.withResolvers<unknown>()
  served.cloud.images.load = async (_scope, source) => {
    source.once('data', () => begun.resolve())
    await pipeline(source, new PassThrough().resume()).catch((error: unknown) => {
      failed.resolve(error)
      throw error
    })
  }
  const wire = served.connect()
  wire.send('POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbeginning')
  await begun.promise
  wire.socket.destroy()
  await failed.promise
  assert.deepEqual(served.faults, [])
})

test('web pages cannot use the API of the machine they are shown on', async () => {
  await using served = await Served.start()
  for (const headers of [{ Origin: 'https://example.org' }, { 'Sec-Fetch-Site': 'same-origin' }]) {
    assert.equal((await served.ask('GET', '/info', undefined, headers as Record<string, string>)).status, 403)
  }
})
