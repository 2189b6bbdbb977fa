import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttachSession } from '../../engine/model.ts'
import { until } from '../../lib/deadline.ts'
import { MiB } from '../../lib/units.ts'
import { Served, type Wire } from '../support/serve.ts'
import { frame } from './stdcopy.ts'

const wait = { deadlineMs: 5_000 }
const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n'
const json = 'Content-Type: application/json\r\n'

/** A running container, and an exec in it that has not been started. */
async function withExec(served: Served, cmd: string[], more: object = {}): Promise<string> {
  const { cloud, ask } = { cloud: served.cloud, ask: served.ask.bind(served) }
  const { json: made } = await ask('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep', '100'] })
  await ask('POST', `/containers/${made.Id}/start`)
  const exec = await ask('POST', `/containers/${made.Id}/exec`, {
    Cmd: cmd,
    AttachStdin: true,
    AttachStdout: true,
    ...more,
  })
  assert.equal(exec.status, 201, exec.text)
  assert.ok(cloud.containers.execs.has(exec.json.Id))
  return exec.json.Id
}

const startBody = '{"Detach":false,"Tty":false}'
const startHead = (id: string, extra = upgrade, body = startBody) =>
  `POST /v1.50/exec/${id}/start HTTP/1.1\r\n${extra}${json}Content-Length: ${body.length}\r\n\r\n`

const framed = (text: string) => frame('stdout', Buffer.from(text)).toString('latin1')
const said = (wire: Wire, text: string) =>
  until(`"${text}"`, () => wire.text.includes(text) && wire.text, wait)

test('an upgraded exec answers 101 and its type, takes the body first, and the rest as input', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['cat'])
  const wire = served.connect()
  // One segment: Node hands the body and the input over together.
  wire.send(`${startHead(id)}${startBody}first input\n`)
  const text = await said(wire, 'first input')
  assert.match(text, /^HTTP\/1.1 101 UPGRADED\r\n/)
  assert.match(text, /Content-Type: application\/vnd\.docker\.multiplexed-stream\r\n/)
  assert.match(text, /Api-Version: 1\.50\r\n/)
  assert.equal(wire.body.toString('latin1'), framed('first input\n'))
  wire.socket.end()
  await until('the end', () => wire.ended, wait)
})

test('a body cut into many segments is put together before the exec starts', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['cat'])
  const { process } = served.cloud.containers.execs.get(id)!
  const wire = served.connect()
  wire.socket.setNoDelay(true)
  for (const character of startHead(id) + startBody) {
    wire.send(character)
    await new Promise(setImmediate)
  }
  await said(wire, '101 UPGRADED')
  wire.send('typed')
  await until('the input', () => Buffer.concat(process.stdin).toString() === 'typed', wait)
  wire.socket.destroy()
})

test('the client closing its side ends the input and the output goes on', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['sleep'])
  const { process } = served.cloud.containers.execs.get(id)!
  const wire = served.connect()
  wire.send(startHead(id), startBody)
  await said(wire, '101 UPGRADED')
  wire.socket.end('last words')
  await until('the end of the input', () => process.stdinEnded, wait)
  assert.equal(Buffer.concat(process.stdin).toString(), 'last words')
  process.output.write('stdout', 'still here')
  await said(wire, framed('still here'))
  assert.equal(wire.ended, false)
  process.exit(0)
  await until('the end of the output', () => wire.closed, wait)
})

test('a client that has gone for good closes the session, also when nothing is output', async () => {
  await using served = await Served.start({ vanishedProbeMs: 20 })
  const id = await withExec(served, ['sleep'])
  const { process } = served.cloud.containers.execs.get(id)!
  const wire = served.connect()
  wire.send(startHead(id), startBody)
  await said(wire, '101 UPGRADED')
  assert.equal(process.sessionsOpen, 1)
  wire.socket.destroy()
  await until('the session to be closed', () => process.sessionsOpen === 0, wait)
})

test('a client without Upgrade is answered 200 and the same streams', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['cat'])
  const wire = served.connect()
  wire.send(startHead(id, 'Host: x\r\n'), startBody)
  const text = await said(wire, '\r\n\r\n')
  assert.match(text, /^HTTP\/1.1 200 OK\r\n/)
  assert.match(text, /Content-Type: application\/vnd\.docker\.raw-stream\r\n/)
  assert.doesNotMatch(text, /Transfer-Encoding|Content-Length/)
  wire.send('GET / HTTP/1.1\r\n\r\n is input, not a request')
  await said(wire, 'is input')
  wire.socket.end()
  await until('the end', () => wire.closed, wait)
})

test('attaching with a chunked body and without Upgrade takes the body as input', async () => {
  await using served = await Served.start()
  const { json: made } = await served.ask('POST', '/containers/create', { Image: 'busybox', Cmd: ['cat'] })
  const wire = served.connect()
  wire.send(
    `POST /containers/${made.Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`,
  )
  await said(wire, '200 OK')
  await served.ask('POST', `/containers/${made.Id}/start`)
  wire.send('5\r\nhello\r\n')
  await said(wire, framed('hello'))
  wire.send('0\r\n\r\n')
  await until('the end', () => wire.ended, wait)
  wire.socket.end()
})

test('what goes wrong before a connection is hijacked is an ordinary answer', async () => {
  await using served = await Served.start()
  const ask = async (head: string) => {
    const wire = served.connect()
    wire.send(head)
    await until('the end', () => wire.ended, wait)
    wire.socket.end()
    return wire.text
  }
  const missing = await ask(startHead('nosuch') + startBody)
  assert.match(missing, /^HTTP\/1.1 404 Not Found\r\n/)
  assert.match(missing, /\{"message":"No such exec instance: nosuch"\}\n$/)
  const chunked = `POST /exec/x/start HTTP/1.1\r\n${upgrade}${json}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`
  assert.match(await ask(chunked), /^HTTP\/1.1 400 /)
  const large = `POST /exec/x/start HTTP/1.1\r\n${upgrade}${json}Content-Length: 99999999\r\n\r\n{}`
  assert.match(await ask(large), /400 Bad Request[\s\S]*larger than/)
})

test('a body that never comes whole ends the connection in time', async () => {
  await using served = await Served.start({ jsonBodyTimeoutMs: 50 })
  const wire = served.connect()
  wire.send(startHead('x'), '{"Det')
  await until('the end', () => wire.ended, wait)
  assert.match(wire.text, /^HTTP\/1.1 504 /)
  wire.socket.end()
})

test('a program that cannot be started is told on the stream, and by the exit code', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['nosuch'])
  const wire = served.connect()
  wire.send(startHead(id), startBody)
  await until('the end', () => wire.ended, wait)
  wire.socket.end()
  assert.match(wire.body.subarray(8).toString(), /executable file not found in \$PATH: unknown\r\n$/)
  assert.equal((await served.ask('GET', `/exec/${id}/json`)).json.ExitCode, 127)
})

test('a detached exec and one with a terminal of a given size are started as asked', async () => {
  await using served = await Served.start()
  const detached = await withExec(served, ['echo', 'x'])
  const answer = await served.ask('POST', `/exec/${detached}/start`, { Detach: true })
  assert.deepEqual([answer.status, answer.text], [200, ''])
  const terminal = await withExec(served, ['sleep'], { Tty: true })
  const body = '{"Tty":true,"ConsoleSize":[40,120]}'
  const wire = served.connect()
  wire.send(startHead(terminal, upgrade, body), body)
  await said(wire, 'Content-Type: application/vnd.docker.raw-stream')
  const { process } = served.cloud.containers.execs.get(terminal)!
  assert.deepEqual(process.size, { rows: 40, columns: 120 })
  await served.ask('POST', `/exec/${terminal}/resize?h=50&w=100`)
  assert.deepEqual(process.size, { rows: 50, columns: 100 })
  wire.socket.destroy()
})

test('the detach keys end the connection of a terminal and leave its process alone', async () => {
  await using served = await Served.start()
  const id = await withExec(served, ['cat'], { Tty: true, DetachKeys: 'ctrl-a,b' })
  const body = '{"Tty":true}'
  const wire = served.connect()
  wire.send(startHead(id, upgrade, body), body)
  await said(wire, '101 UPGRADED')
  wire.send('x\x01')
  await said(wire, 'x')
  wire.send('b not for the process')
  await until('the end', () => wire.ended, wait)
  wire.socket.end()
  const { process } = served.cloud.containers.execs.get(id)!
  assert.equal(Buffer.concat(process.stdin).toString(), 'x')
  assert.equal(process.code, null)
  assert.equal(process.sessionsOpen, 0)
})

test('a client that does not read holds back the output instead of filling memory', async () => {
  await using served = await Served.start()
  const { json: made } = await served.ask('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep'] })
  let pulled = 0
  let closed = false
  const chunk = Buffer.alloc(64 * 1024)
  const session: AttachSession = {
    output: (async function* () {
      for (; !closed; pulled += chunk.length) yield { stream: 'stdout' as const, timeNano: 0n, data: chunk }
    })(),
    async writeStdin() {},
    async endStdin() {},
    close: () => {
      closed = true
    },
  }
  served.cloud.containers.attach = async () => session
  const wire = served.connect()
  wire.socket.pause()
  wire.send(`POST /containers/${made.Id}/attach?stream=1&stdout=1 HTTP/1.1\r\n${upgrade}\r\n`)
  await until('some output', () => pulled > 0, wait)
  let before = -1
  const stands = () => {
    const still = before === pulled
    before = pulled
    return still
  }
  await until('the output to stand still', stands, { ...wait, everyMs: 50 })
  assert.ok(pulled < 4 * MiB, `${pulled} bytes were pulled for a client that reads nothing`)
  wire.socket.destroy()
  await until('the session to be closed', () => closed, wait)
})

test('input is taken at the pace of the process', async () => {
  await using served = await Served.start()
  const { json: made } = await served.ask('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep'] })
  let taken = 0
  const stuck = new Promise<void>(() => {})
  const ended = Promise.withResolvers<void>()
  served.cloud.containers.attach = async () => ({
    output: (async function* () {
      await ended.promise
      yield { stream: 'stdout' as const, timeNano: 0n, data: Buffer.from('last output') }
    })(),
    writeStdin: (chunk) => {
      taken += chunk.length
      return stuck
    },
    async endStdin() {},
    close() {},
  })
  const wire = served.connect()
  wire.send(`POST /containers/${made.Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n${upgrade}\r\n`)
  await said(wire, '101 UPGRADED')
  let flowing = true
  while (flowing) flowing = wire.socket.write(Buffer.alloc(MiB))
  await until('a first piece', () => taken > 0, wait)
  assert.ok(taken <= MiB)
  // The process ends with input unread: its last output must arrive all the same.
  ended.resolve()
  await said(wire, 'last output')
  await until('the end', () => wire.ended, wait)
  wire.socket.destroy()
})

test('close() ends attached sessions and lets the containers be', async () => {
  const served = await Served.start()
  const id = await withExec(served, ['sleep'])
  const wire = served.connect()
  wire.send(startHead(id), startBody)
  await said(wire, '101 UPGRADED')
  await served[Symbol.asyncDispose]()
  await until('the end', () => wire.ended, wait)
  wire.socket.destroy()
  const { process } = served.cloud.containers.execs.get(id)!
  assert.deepEqual([process.sessionsOpen, process.code], [0, null])
})
