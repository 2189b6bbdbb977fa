/**
 * The one channel to a guest: requests and their answers, and what belongs to processes handed to whoever listens for them.
 * Requests may be sent without awaiting one another; the guest carries them out in order. A guest that breaks the
 * protocol is cut off: nothing of what it sends is trusted further than its own container.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { setInterval as every } from 'node:timers/promises'
import { within } from '../../lib/deadline.ts'
import { internal } from '../../lib/errors.ts'
import { failureOf, sandboxGone } from './failures.ts'
import { FieldReader, FieldWriter, safeOffset } from './fields.ts'
import { encodeFrame, type Frame, FrameDecoder } from './frames.ts'
import {
  frameToGuestBytesMax,
  helloEveryMs,
  processesMax,
  requestDeadlineMs,
  resyncAfterMs,
  resyncBytes,
} from './limits.ts'
import {
  endFlag,
  events,
  nonceBytes,
  ops,
  protocolVersion,
  streamMask,
  streams,
  tags,
  types,
} from './protocol.ts'

export interface ProcessListener {
  data(stream: 'stdout' | 'stderr', offset: number, bytes: Buffer, last: boolean): void
  inputWindow(acked: number, limit: number): void
  exit(fields: FieldReader): void
  gone(): void
}

interface Pending {
  readonly op: number
  readonly processId: number
  resolve(fields: FieldReader): void
  reject(error: unknown): void
}

export class GuestChannel {
  readonly #socket: Socket
  readonly #decoder: FrameDecoder
  readonly #nonce = randomBytes(nonceBytes)
  readonly #greeted = Promise.withResolvers<FieldReader>()
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Map<number, ProcessListener>()
  /** Of processes that nobody listens for yet: an adopted guest does not wait with what happens. */
  readonly #unheardExits = new Map<number, FieldReader>()
  readonly #closed = Promise.withResolvers<Error | undefined>()
  #isGreeted = false
  #isClosed = false
  #violation: Error | undefined
  #nextRequest = 1
  #isCorked = false
  /** Called with the id of a container of which a process was killed for memory. */
  onOom: (container: string) => void = () => {}
  /** What the guest knew when we connected. */
  processes: readonly FieldReader[] = []

  private constructor(socket: Socket, fresh: boolean) {
    this.#socket = socket
    this.#decoder = new FrameDecoder({ searching: !fresh })
    this.#greeted.promise.catch(() => {})
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.once('close', () => this.#close())
  }

  /** `fresh`: nobody has spoken with this guest since its last HELLO_ACK was whole. */
  static async open(socket: Socket, options: { fresh: boolean; deadlineMs: number }): Promise<GuestChannel> {
    const channel = new GuestChannel(socket, options.fresh)
    try {
      await within(channel.#greet(options.fresh), options.deadlineMs, 'the greeting of the guest')
    } catch (error) {
      channel.close()
      throw error
    }
    return channel
  }

  /** Resolves when the connection is no more; with the error when the guest broke the protocol. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise
  }

  close(): void {
    this.#socket.destroy()
    this.#close()
  }

  /** Rejects with the codes of failures.ts, `sandbox_gone`, or kind `deadline`. */
  request(
    op: number,
    fields = new FieldWriter(),
    options: { deadlineMs?: number; processId?: number } = {},
  ): Promise<FieldReader> {
    const payload = Buffer.concat([Buffer.from([op & 0xff, op >> 8, 0, 0]), fields.toBuffer()])
    if (payload.length > frameToGuestBytesMax) {
      throw internal('too_large', `a request of ${payload.length} bytes is more than a guest takes`)
    }
    const id = this.#nextRequest++
    const { promise, resolve, reject } = Promise.withResolvers<FieldReader>()
    if (this.#isClosed) reject(sandboxGone())
    else {
      this.#pending.set(id, { op, processId: options.processId ?? 0, resolve, reject })
      this.send(types.request, id, payload)
    }
    return within(
      promise,
      options.deadlineMs ?? requestDeadlineMs,
      `the guest's answer to request ${nameOf(op)}`,
    ).finally(() => this.#pending.delete(id))
  }

  send(type: number, id: number, payload: Uint8Array, flags = 0): void {
    if (this.#isClosed) return
    // What is said in one turn of the loop goes in one piece: each write wakes the guest.
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(encodeFrame(type, id, payload, flags))
  }

  sendWindow(process: number, stream: 'stdout' | 'stderr', acked: number, limit: number): void {
    const payload = Buffer.alloc(16)
    payload.writeBigUInt64LE(BigInt(acked), 0)
    payload.writeBigUInt64LE(BigInt(limit), 8)
    this.send(types.window, process, payload, streams[stream])
  }

  sendInput(process: number, offset: number, bytes: Uint8Array, last: boolean): void {
    const head = Buffer.alloc(8)
    head.writeBigUInt64LE(BigInt(offset))
    this.send(types.data, process, Buffer.concat([head, bytes]), streams.stdin | (last ? endFlag : 0))
  }

  listen(process: number, listener: ProcessListener): void {
    if (this.#isClosed) {
      listener.gone()
      return
    }
    this.#listeners.set(process, listener)
    const exit = this.#unheardExits.get(process)
    this.#unheardExits.delete(process)
    if (exit) listener.exit(exit)
  }

  unlisten(process: number): void {
    this.#listeners.delete(process)
  }

  async #greet(fresh: boolean): Promise<void> {
    const version = Buffer.alloc(4)
    version.writeUInt32LE(protocolVersion)
    const hello = encodeFrame(types.hello, 0, Buffer.concat([this.#nonce, version]))
    const stop = new AbortController()
    const repeat = async () => {
      this.#socket.write(hello)
      for await (const _ of every(helloEveryMs, undefined, { signal: stop.signal })) this.#socket.write(hello)
    }
    const resync = setTimeout(() => this.#socket.write(Buffer.alloc(resyncBytes)), resyncAfterMs)
    if (fresh) clearTimeout(resync)
    // It only ever ends by being stopped.
    repeat().catch(() => {})
    try {
      const fields = await this.#greeted.promise
      this.processes = fields.nested(tags.process)
      if (this.processes.length > processesMax)
        throw internal('bad_guest', `the guest lists ${this.processes.length} processes`)
    } finally {
      stop.abort()
      clearTimeout(resync)
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.#isClosed) return
        if (this.#isGreeted) this.#take(frame)
        else this.#takeGreeting(frame)
      }
    } catch (error) {
      this.#violation ??= error as Error
      this.close()
    }
  }

  #takeGreeting({ type, payload }: Frame): void {
    if (type !== types.helloAck || payload.length < nonceBytes + 8) return
    if (!payload.subarray(0, nonceBytes).equals(this.#nonce)) return
    const version = payload.readUInt32LE(nonceBytes)
    if (version !== protocolVersion) {
      throw internal(
        'guest_version',
        `the guest speaks version ${version} of the protocol, not ${protocolVersion}`,
      )
    }
    this.#isGreeted = true
    this.#decoder.synchronized()
    this.#greeted.resolve(new FieldReader(payload.subarray(nonceBytes + 8)))
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case types.helloAck:
        break
      case types.response:
        this.#takeResponse(frame)
        break
      case types.data:
        this.#takeData(frame)
        break
      case types.window:
        this.#takeWindow(frame)
        break
      case types.event:
        this.#takeEvent(frame)
        break
      default:
        throw internal('bad_guest', `the guest sent a frame of type ${frame.type}`)
    }
  }

  #takeWindow({ id, payload }: Frame): void {
    if (payload.length < 16) throw internal('bad_guest', 'the guest sent a window that is too short')
    const [acked, limit] = [safeOffset(payload.readBigUInt64LE(0)), safeOffset(payload.readBigUInt64LE(8))]
    this.#listeners.get(id)?.inputWindow(acked, limit)
  }

  #takeResponse({ id, payload }: Frame): void {
    if (payload.length < 4) throw internal('bad_guest', 'the guest sent an answer without a status')
    const pending = this.#pending.get(id)
    // It was given up on.
    if (!pending) return
    const status = payload.readUInt32LE(0)
    const fields = new FieldReader(payload.subarray(4))
    if (status === 0) pending.resolve(fields)
    else pending.reject(failureOf(pending.op, pending.processId, status, fields))
  }

  #takeData({ id, flags, payload }: Frame): void {
    const stream = flags & streamMask
    if (payload.length < 8 || (stream !== streams.stdout && stream !== streams.stderr)) {
      throw internal('bad_guest', 'the guest sent output without a stream or an offset')
    }
    const offset = safeOffset(payload.readBigUInt64LE(0))
    const name = stream === streams.stdout ? 'stdout' : 'stderr'
    this.#listeners.get(id)?.data(name, offset, payload.subarray(8), (flags & endFlag) !== 0)
  }

  #takeEvent({ id, payload }: Frame): void {
    if (payload.length < 4) throw internal('bad_guest', 'the guest sent an event without a kind')
    const kind = payload.readUInt16LE(0)
    const fields = new FieldReader(payload.subarray(4))
    if (kind === events.exit) this.#takeExit(id, fields)
    else if (kind === events.oom) this.onOom(fields.text(tags.containerId))
    else throw internal('bad_guest', `the guest sent an event of kind ${kind}`)
  }

  #takeExit(id: number, fields: FieldReader): void {
    const listener = this.#listeners.get(id)
    if (listener) listener.exit(fields)
    else if (this.#unheardExits.size < processesMax) this.#unheardExits.set(id, fields)
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#greeted.reject(this.#violation ?? sandboxGone())
    for (const { reject } of this.#pending.values()) reject(sandboxGone())
    this.#pending.clear()
    for (const listener of [...this.#listeners.values()]) listener.gone()
    this.#listeners.clear()
    this.#closed.resolve(this.#violation)
  }
}

const nameOf = (op: number): string =>
  Object.entries(ops).find(([, number]) => number === op)?.[0] ?? String(op)
