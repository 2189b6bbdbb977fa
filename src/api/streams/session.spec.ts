import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttachSession } from '../../engine/model.ts'
import { until } from '../../lib/deadline.ts'
import { MiB } from '../../lib/units.ts'
import { Served } from '../support/serve.ts'
import { framed, said, startBody, startHead, upgrade, wait, withExec } from '../support/wire.ts'

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

test('where input stays open for the next client, the end of one ends its session alone', async () => {
  await using served = await Served.start()
  for (const kind of [{ Tty: true }, { Tty: false }]) {
    const body = { Image: 'busybox', Cmd: ['cat'], OpenStdin: true, ...kind }
    const { json: made } = await served.ask('POST', '/containers/create', body)
    await served.ask('POST', `/containers/${made.Id}/start`)
    const wire = served.connect()
    wire.send(`POST /containers/${made.Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n${upgrade}\r\n`)
    await said(wire, '101 UPGRADED')
    wire.socket.end('typed')
    await until('the end of the session', () => wire.ended, wait)
    const { process } = served.cloud.containers.entries.get(made.Id)!
    assert.equal(Buffer.concat(process.stdin).toString(), 'typed')
    assert.deepEqual([process.stdinEnded, process.code, process.sessionsOpen], [false, null, 0])
  }
})

test('input is taken at the pace of the process', async () => {
  await using served = await Served.start()
  const body = { Image: 'busybox', Cmd: ['sleep'], OpenStdin: true, StdinOnce: true }
  const { json: made } = await served.ask('POST', '/containers/create', body)
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
