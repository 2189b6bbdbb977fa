import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../lib/deadline.ts'
import { Served } from '../support/serve.ts'
import { framed, json, said, startBody, startHead, upgrade, wait, withExec } from '../support/wire.ts'

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
  const { json: made } = await served.ask('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['cat'],
    OpenStdin: true,
    StdinOnce: true,
  })
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
