/** Attaching by WebSocket, as consoles in browsers do through a proxy. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { freePort } from '../../src/images/support/registry.ts'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const port = await freePort()
const { daemon, docker } = await startCloud({ images: ['busybox'], args: ['--tcp', `127.0.0.1:${port}`] })
const doors: [name: string, base: () => string][] = [
  ['the Unix socket', () => `ws+unix:${daemon.socket}:`],
  ['TCP', () => `ws://127.0.0.1:${port}`],
]

async function attached(base: string, id: string, query: string, version = '/v1.50') {
  const socket = new WebSocket(`${base}${version}/containers/${id}/attach/ws?${query}`)
  const messages: { data: Buffer; binary: boolean }[] = []
  socket.on('message', (data: Buffer, binary: boolean) => messages.push({ data, binary }))
  await once(socket, 'open')
  const said = () => Buffer.concat(messages.map(({ data }) => data))
  return {
    socket,
    messages,
    said,
    says: (text: string) => until(`it to say ${text}`, () => said().includes(text), patience),
  }
}

for (const [name, base] of doors) {
  test(`over ${name}, input and output of a container flow as bytes, unframed`, async () => {
    const script = 'echo out; echo err >&2; exec cat'
    await using container = await docker.container('-i', 'busybox', 'sh', '-c', script)
    const it = await attached(base(), container.id, 'logs=1&stream=1&stdin=1&stdout=1&stderr=1')
    await it.says('out\n')
    await it.says('err\n')
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    it.socket.send(bytes)
    await until('the bytes to come back', () => it.said().includes(bytes), patience)
    assert.ok(it.messages.every(({ binary }) => binary))
    await docker.ok(['stop', '-t', '0', container.id])
    const [code] = it.socket.readyState === WebSocket.CLOSED ? [1000] : await once(it.socket, 'close')
    assert.equal(code, 1000, 'the end of the container is an orderly end of the connection')
  })
}

test('the end of the connection is the end of the input of a container that was attached to once', async () => {
  const id = await docker.ok(['create', '-i', 'busybox', 'sh', '-c', 'wc -c'])
  const it = await attached(doors[0]![1](), id, 'stream=1&stdin=1&stdout=1')
  await docker.ok(['start', id])
  it.socket.send('four')
  it.socket.close()
  assert.equal(await docker.ok(['wait', id]), '0')
  assert.equal(await docker.ok(['logs', id]), '4')
  await docker.ok(['rm', id])
})

test('of a terminal, the detach keys leave the container running, and streams may be left out', async () => {
  await using container = await docker.container('-it', 'busybox', 'sh', '-c', 'echo ready; exec cat')
  await container.says('ready')
  const it = await attached(doors[0]![1](), container.id, 'stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,x')
  it.socket.send('typed\n')
  await it.says('typed')
  it.socket.send(Buffer.from([24]))
  it.socket.send('x')
  await once(it.socket, 'close')
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
  const deaf = await attached(doors[0]![1](), container.id, 'stream=1&stderr=1')
  await docker.ok(['kill', container.id])
  await once(deaf.socket, 'close')
  assert.equal(deaf.said().length, 0)
})

test('clients of before API 1.28 are sent text', async () => {
  await using container = await docker.container('busybox', 'sh', '-c', 'echo said; sleep 1000')
  await container.says('said')
  const it = await attached(doors[0]![1](), container.id, 'logs=1&stream=0', '/v1.27')
  await it.says('said')
  assert.ok(it.messages.every(({ binary }) => !binary))
})
