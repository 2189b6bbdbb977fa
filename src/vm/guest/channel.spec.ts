import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import { hasCode } from '../../lib/errors.ts'
import { FakeGuest, guestFrame } from '../support/fake-guest.ts'
import { FieldWriter } from './fields.ts'
import { frameToHostBytesMax, outputWindowBytes, processesMax, resyncBytes } from './limits.ts'
import { VmProcess } from './process.ts'
import { endFlag, events, ops, processStates, tags, types } from './protocol.ts'

const exitFields = (code: number) =>
  new FieldWriter()
    .u32(tags.exitCode, code)
    .u32(tags.exitSignal, 0)
    .u64(tags.exitedNs, 1_700_000_000_000_000_000n)
    .u32(tags.oom, 0)

const number = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
function processOn(
  channel: ConstructorParameters<typeof VmProcess>[0],
  write: (stream: string, chunk: Buffer) => void | Promise<void> = () => {},
) {
  const process = new VmProcess(channel, {
    id: 1,
    tty: false,
    output: { write },
    from: { stdin: 0, stdout: 0, stderr: 0 },
    outputFailed: () => {},
  })
  process.openOutput()
  return process
}

test('the host greets until it is answered', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.deafTo = 3
  })
  assert.ok(open.guest.frames.filter(({ type }) => type === types.hello).length >= 4)
})

test('a guest of another version is refused', async () => {
  await assert.rejects(
    FakeGuest.open((guest) => {
      guest.version = 99
    }),
    (error) => hasCode(error, 'guest_version'),
  )
})

test('a daemon that takes a channel over greets, and sends no more when it is answered', async () => {
  await using open = await FakeGuest.open(() => {}, false)
  assert.ok(open.guest.bytesHeard < 1024, `${open.guest.bytesHeard} bytes`)
})

test('a daemon that takes a channel over completes what the last one tore', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.missing = 1_048_575
  }, false)
  assert.ok(open.guest.bytesHeard > resyncBytes)
  assert.equal(resyncBytes, 1_048_596)
})

test('requests sent at once get each its own answer', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.onRequest = (op) => new FieldWriter().u32(tags.number, op)
  })
  const asked = [ops.ping, ops.sync, ops.warm]
  const answers = await Promise.all(asked.map((op) => open.channel.request(op)))
  assert.deepEqual(
    answers.map((fields) => fields.u32(tags.number)),
    asked,
  )
})

test("what a guest refuses is told with its words, freed of a terminal's controls", async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.onRequest = () => ({
      status: constants.errno.EBUSY,
      fields: new FieldWriter().text(tags.message, 'no\u001b[2Jway'),
    })
  })
  await assert.rejects(open.channel.request(ops.warm), /the guest refused: no\?\[2Jway \(EBUSY\)/)
})

test('a program that cannot be executed is told with stage and errno', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.onRequest = () => ({
      status: constants.errno.ENOENT,
      fields: new FieldWriter().text(tags.message, 'exec nope').text(tags.stage, 'exec'),
    })
  })
  await assert.rejects(open.channel.request(ops.startProcess), (error) => {
    assert.ok(hasCode(error, 'start_failed'))
    assert.deepEqual((error as { details?: unknown }).details, { stage: 'exec', errno: 'ENOENT' })
    return true
  })
})

test('when the guest is gone, so is every request', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.onRequest = () => undefined
  })
  const asked = open.channel.request(ops.ping)
  await open.guest.heard('the request', ({ type }) => type === types.request)
  open.guest.end()
  await assert.rejects(asked, (error) => hasCode(error, 'sandbox_gone'))
  await assert.rejects(open.channel.request(ops.ping), (error) => hasCode(error, 'sandbox_gone'))
  assert.equal(await open.channel.closed, undefined)
})

test('the exit of a process is told after its output, in order', async () => {
  await using open = await FakeGuest.open()
  const said: string[] = []
  const process = processOn(open.channel, async (stream, chunk) => {
    await new Promise(setImmediate)
    said.push(`${stream}:${chunk}`)
  })
  open.guest.sendEvent(1, events.exit, exitFields(3))
  open.guest.sendData(1, 0, 'one', 1)
  open.guest.sendData(1, 0, 'err', 2 | endFlag)
  open.guest.sendData(1, 3, 'two', 1 | endFlag)
  const exit = await process.exited
  assert.deepEqual(said, ['stdout:one', 'stderr:err', 'stdout:two'])
  assert.deepEqual([exit.code, exit.signal, exit.at.toISOString()], [3, 0, '2023-11-14T22:13:20.000Z'])
})

test('an exit that a guest says will be in a thousand years is of now', async () => {
  await using open = await FakeGuest.open()
  const process = processOn(open.channel)
  const never = new FieldWriter()
    .u32(tags.exitCode, 300)
    .u32(tags.exitSignal, 999)
    .u64(tags.exitedNs, 2n ** 64n - 1n)
  for (const stream of [1, 2]) open.guest.sendData(1, 0, '', stream | endFlag)
  open.guest.sendEvent(1, events.exit, never)
  const { at, code, signal } = await process.exited
  assert.ok(Math.abs(at.getTime() - Date.now()) < 5_000)
  assert.ok(code >= 0 && code <= 255 && signal >= 0 && signal <= 127)
})

test('a child that keeps the output open does not hold the exit up for ever', async () => {
  await using open = await FakeGuest.open()
  const process = processOn(open.channel)
  open.guest.sendEvent(1, events.exit, exitFields(0))
  assert.equal((await process.exited).code, 0)
})

test('a guest may send no more than a window, and the window moves as output is written', async () => {
  await using open = await FakeGuest.open()
  const written = Promise.withResolvers<void>()
  processOn(open.channel, () => written.promise)
  const half = Buffer.alloc(frameToHostBytesMax - 8)
  let offset = 0
  for (; offset + half.length <= outputWindowBytes; offset += half.length)
    open.guest.sendData(1, offset, half)
  await open.guest.heard('the first windows', ({ type }) => type === types.window)
  const before = open.guest.frames.filter(({ type }) => type === types.window).length
  written.resolve()
  await open.guest.heard(
    'a window that moved',
    ({ type, payload }) => type === types.window && payload.readBigUInt64LE(0) > 0n,
  )
  assert.equal(before, 2)
})

test('a process that was adopted late still hears of its exit', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.onRequest = () => {
      guest.sendEvent(1, events.exit, exitFields(9))
      return new FieldWriter()
    }
  })
  await open.channel.request(ops.ping)
  const process = processOn(open.channel)
  open.guest.sendData(1, 0, '', 1 | endFlag)
  open.guest.sendData(1, 0, '', 2 | endFlag)
  assert.equal((await process.exited).code, 9)
})

test('input goes as far as the guest takes it, and its end after it', async () => {
  await using open = await FakeGuest.open()
  const process = processOn(open.channel)
  const bytes = Buffer.alloc(100_000, 'x')
  const writing = process.writeStdin(bytes)
  const ending = process.endStdin()
  await open.guest.heard('the first bytes', ({ type, id }) => type === types.data && id === 1)
  const sent = () =>
    open.guest.frames
      .filter(({ type }) => type === types.data)
      .reduce((sum, { payload }) => sum + payload.length - 8, 0)
  assert.equal(sent(), 65_536)
  const take = (acked: number) =>
    open.guest.send(types.window, 1, Buffer.concat([number(acked), number(acked + 65_536)]))
  take(65_536)
  const last = await open.guest.heard(
    'the end',
    ({ type, flags }) => type === types.data && (flags & endFlag) !== 0,
  )
  take(100_000)
  await Promise.all([writing, ending])
  assert.equal(last.payload.readBigUInt64LE(0), 100_000n)
  assert.equal(sent(), 100_000)
})

test('input that nobody will read is refused when the process has exited', async () => {
  await using open = await FakeGuest.open()
  const process = processOn(open.channel)
  const writing = process.writeStdin(Buffer.alloc(200_000))
  open.guest.sendEvent(1, events.exit, exitFields(0))
  await assert.rejects(writing, (error) => hasCode(error, 'process_exited'))
  await assert.rejects(process.signal(15), (error) => hasCode(error, 'process_exited'))
})

const lies: Readonly<Record<string, (guest: FakeGuest) => void>> = {
  'bytes that are no frame': (guest) => guest.sendRaw(Buffer.from('HTTP/1.1 200 OK\r\n\r\n\r\n')),
  'a frame longer than a frame may be': (guest) =>
    guest.sendRaw(guestFrame(types.data, 1, new Uint8Array(frameToHostBytesMax + 1)).subarray(0, 20)),
  'output from where it was not': (guest) => guest.sendData(1, 5, 'x'),
  'output twice': (guest) => [0, 0].map((at) => guest.sendData(1, at, 'x')),
  'output behind its end': (guest) => [0, 1].map((at) => guest.sendData(1, at, 'x', 1 | endFlag)),
  'more output than it may': (guest) => {
    for (let at = 0; at <= outputWindowBytes; at += 60_000) guest.sendData(1, at, Buffer.alloc(60_000))
  },
  'output of standard input': (guest) => guest.sendData(1, 0, 'x', 0),
  'an offset beyond all streams': (guest) => guest.send(types.data, 1, Buffer.alloc(8, 0xff), 1),
  'a window that is too short': (guest) => guest.send(types.window, 1, number(1)),
  'an event of no kind': (guest) => guest.send(types.event, 1, new Uint8Array(2)),
  'an event that does not exist': (guest) => guest.sendEvent(1, 77, new FieldWriter()),
  'an answer without a status': (guest) => guest.send(types.response, 1, new Uint8Array(2)),
  "a frame that is the host's to send": (guest) => guest.send(types.request, 1, new Uint8Array(4)),
  'fields that are longer than their frame': (guest) =>
    guest.send(types.event, 1, Buffer.from([1, 0, 0, 0, 1, 0, 0, 0, 255, 255, 0, 0])),
}
for (const [lie, tell] of Object.entries(lies)) {
  test(`a guest that sends ${lie} is cut off`, async () => {
    await using open = await FakeGuest.open()
    const process = processOn(open.channel, () => new Promise(() => {}))
    tell(open.guest)
    assert.ok(hasCode(await open.channel.closed, 'bad_guest'))
    await assert.rejects(process.exited, (error) => hasCode(error, 'sandbox_gone'))
  })
}

test('answers, output and exits of what nobody asked for are passed over', async () => {
  await using open = await FakeGuest.open()
  open.guest.send(types.response, 4_000, Buffer.alloc(4))
  open.guest.sendData(99, 0, 'who?')
  for (let id = 1_000; id < 1_000 + 2 * processesMax; id++)
    open.guest.sendEvent(id, events.exit, exitFields(0))
  await open.channel.request(ops.ping)
})

test('what the guest knows of its processes is there after the greeting', async () => {
  await using open = await FakeGuest.open((guest) => {
    guest.processes.nested(tags.process, (fields) =>
      fields.u32(tags.processId, 4).u32(tags.state, processStates.running),
    )
  })
  assert.deepEqual(
    open.channel.processes.map((fields) => fields.u32(tags.processId)),
    [4],
  )
})
