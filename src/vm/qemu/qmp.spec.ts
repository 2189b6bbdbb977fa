import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { hasCode } from '../../lib/errors.ts'
import { Qmp, type QmpEvent } from './qmp.ts'

/** A QEMU that greets, and then answers as a test says. */
async function qemu(
  t: TestContext,
  answer: (command: { execute: string; id: number }, say: (text: string) => void) => void,
) {
  const directory = await mkdtemp(join(tmpdir(), 'hb-qmp-'))
  const server = createServer()
  t.after(async () => {
    server.close()
    await rm(directory, { recursive: true, force: true })
  })
  server.listen(join(directory, 'qmp.sock'))
  await once(server, 'listening')
  server.once('connection', (socket: Socket) => {
    socket.on('error', () => {})
    socket.write('{"QMP": {"version": {}, "capabilities": []}}\n')
    socket.setEncoding('utf8').on('data', (text) => {
      for (const line of String(text).split('\n').filter(Boolean)) {
        const command = JSON.parse(line)
        if (command.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${command.id}}\n`)
        else answer(command, (said) => socket.write(said))
      }
    })
  })
  const socket = connect(join(directory, 'qmp.sock'))
  await once(socket, 'connect')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  const events: QmpEvent[] = []
  return { qmp: await Qmp.open(socket, (event) => events.push(event)), events }
}

test('answers find their commands, and events are told apart', async (t) => {
  const { qmp, events } = await qemu(t, ({ execute, id }, say) => {
    say('{"event": "STOP", "data": {"by": "us"}, "timestamp": {}}\n')
    say(`{"return": "${execute}", "id": ${id}}\n`)
  })
  assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((name) => qmp.execute(name))), ['a', 'b', 'c'])
  assert.deepEqual(events[0], { name: 'STOP', data: { by: 'us' } })
})

test('a refusal is told in the words of QEMU', async (t) => {
  const { qmp } = await qemu(t, ({ id }, say) =>
    say(`{"error": {"class": "GenericError", "desc": "no such node"}, "id": ${id}}\n`),
  )
  await assert.rejects(qmp.execute('blockdev-add'), /QEMU refused blockdev-add: no such node/)
})

for (const [what, bytes] of Object.entries({
  'no JSON': 'HTTP/1.1 200 OK\n',
  'no object': '[1, 2]\n',
  'an object of other types': '{"return": {}, "id": "one"}\n',
  'a line without an end': 'x'.repeat(2 << 20),
})) {
  test(`a QEMU that says ${what} is let go of, and its commands fail`, async (t) => {
    const { qmp } = await qemu(t, (_, say) => say(bytes))
    await assert.rejects(qmp.execute('query-status'), (error) => hasCode(error, 'sandbox_gone'))
    await qmp.closed
  })
}
