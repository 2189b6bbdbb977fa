/** The other end of a control channel: takes the host's frames apart and says whatever a test wants said. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { until } from '../../lib/deadline.ts'
import { GuestChannel } from '../guest/channel.ts'
import { FieldReader, FieldWriter } from '../guest/fields.ts'
import type { Frame } from '../guest/frames.ts'
import { frameHeaderBytes, frameMagic, nonceBytes, protocolVersion, types } from '../guest/protocol.ts'

export class FakeGuest implements AsyncDisposable {
  readonly frames: Frame[] = []
  readonly #server: Server
  readonly #directory: string
  #socket!: Socket
  #kept = Buffer.alloc(0)
  /** What HELLO_ACK lists. */
  processes = new FieldWriter()
  /** The answer to a request; undefined: none. */
  onRequest: (
    op: number,
    fields: FieldReader,
    id: number,
  ) => FieldWriter | { status: number; fields: FieldWriter } | undefined = () => new FieldWriter()
  /** How many HELLOs are not heard. */
  deafTo = 0
  version = protocolVersion
  /** What is missing of a frame that an earlier host had begun: so much is taken for it. */
  missing = 0
  /** Bytes from the host. */
  bytesHeard = 0

  private constructor(server: Server, directory: string) {
    this.#server = server
    this.#directory = directory
  }

  /** A guest, and the host's channel to it once it has been greeted. */
  static async open(
    prepare: (guest: FakeGuest) => void = () => {},
    fresh = true,
  ): Promise<{ guest: FakeGuest; channel: GuestChannel } & AsyncDisposable> {
    const directory = await mkdtemp(join(tmpdir(), 'hb-channel-'))
    const server = createServer()
    const guest = new FakeGuest(server, directory)
    prepare(guest)
    server.listen(join(directory, 'control.sock'))
    await once(server, 'listening')
    const host = connect(join(directory, 'control.sock'))
    const [[socket]] = (await Promise.all([once(server, 'connection'), once(host, 'connect')])) as [
      [Socket],
      unknown,
    ]
    host.on('error', () => {})
    guest.#take(socket)
    try {
      const channel = await GuestChannel.open(host, { fresh, deadlineMs: 2_000 })
      const dispose = async () => {
        channel.close()
        await guest[Symbol.asyncDispose]()
      }
      return { guest, channel, [Symbol.asyncDispose]: dispose }
    } catch (error) {
      await guest[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  send(type: number, id: number, payload: Uint8Array, flags = 0): void {
    this.sendRaw(guestFrame(type, id, payload, flags))
  }

  sendData(id: number, offset: number, text: string | Uint8Array, flags = 1): void {
    const head = Buffer.alloc(8)
    head.writeBigUInt64LE(BigInt(offset))
    this.send(types.data, id, Buffer.concat([head, Buffer.from(text as string)]), flags)
  }

  sendEvent(id: number, kind: number, fields: FieldWriter): void {
    this.send(types.event, id, Buffer.concat([Buffer.from([kind, 0, 0, 0]), fields.toBuffer()]))
  }

  /** The first frame of a kind that the host has sent, or will. */
  heard(what: string, wanted: (frame: Frame) => boolean): Promise<Frame> {
    return until(what, () => this.frames.find(wanted), { deadlineMs: 2_000 })
  }

  end(): void {
    this.#socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.destroy()
    this.#server.close()
    await rm(this.#directory, { recursive: true, force: true })
  }

  #take(socket: Socket): void {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.bytesHeard += chunk.length
      const swallowed = Math.min(this.missing, chunk.length)
      this.missing -= swallowed
      this.#kept = Buffer.concat([this.#kept, chunk.subarray(swallowed)])
      for (let frame = this.#next(); frame; frame = this.#next()) this.#serve(frame)
    })
  }

  #next(): Frame | undefined {
    const magic = Buffer.alloc(4)
    magic.writeUInt32LE(frameMagic)
    const at = this.#kept.indexOf(magic)
    if (at < 0) return undefined
    const data = this.#kept.subarray(at)
    if (data.length < frameHeaderBytes) return undefined
    const end = frameHeaderBytes + data.readUInt32LE(12)
    if (data.length < end) return undefined
    const payload = Buffer.from(data.subarray(frameHeaderBytes, end))
    if (crc32(payload, crc32(data.subarray(0, 16))) !== data.readUInt32LE(16))
      throw new Error('the host sent a wrong checksum')
    this.#kept = Buffer.from(data.subarray(end))
    return { type: data.readUInt8(4), flags: data.readUInt8(5), id: data.readUInt32LE(8), payload }
  }

  #serve(frame: Frame): void {
    this.frames.push(frame)
    if (frame.type === types.hello) this.#greet(frame)
    if (frame.type !== types.request) return
    const answer = this.onRequest(
      frame.payload.readUInt16LE(0),
      new FieldReader(frame.payload.subarray(4)),
      frame.id,
    )
    if (!answer) return
    const { status, fields } = answer instanceof FieldWriter ? { status: 0, fields: answer } : answer
    const head = Buffer.alloc(4)
    head.writeUInt32LE(status)
    this.send(types.response, frame.id, Buffer.concat([head, fields.toBuffer()]))
  }

  #greet({ payload }: Frame): void {
    if (this.deafTo-- > 0) return
    const numbers = Buffer.alloc(8)
    numbers.writeUInt32LE(this.version, 0)
    this.send(
      types.helloAck,
      0,
      Buffer.concat([payload.subarray(0, nonceBytes), numbers, this.processes.toBuffer()]),
    )
  }
}

/** Guest to host: the checksum is over the header alone. */
export function guestFrame(type: number, id: number, payload: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.alloc(frameHeaderBytes + payload.length)
  frame.writeUInt32LE(frameMagic, 0)
  frame.writeUInt8(type, 4)
  frame.writeUInt8(flags, 5)
  frame.writeUInt32LE(id, 8)
  frame.writeUInt32LE(payload.length, 12)
  frame.set(payload, frameHeaderBytes)
  frame.writeUInt32LE(crc32(frame.subarray(0, 16)), 16)
  return frame
}
