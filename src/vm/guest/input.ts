/**
 * Standard input of a process: bytes go as far as the guest's window reaches, and a write is done when the guest has taken
 * them; so a process that does not read slows its client, and nothing is kept here but the chunk being written.
 */
import { processExited } from './failures.ts'
import { inputWindowBytes } from './limits.ts'

interface Chunk {
  readonly bytes: Uint8Array
  readonly last: boolean
  /** How much of it was sent. */
  sent: number
  /** Offset behind its last byte, known when all of it was sent. */
  resolve(): void
  reject(error: unknown): void
}

export class InputSender {
  readonly #process: number
  readonly #send: (offset: number, bytes: Uint8Array, last: boolean) => void
  readonly #waiting: Chunk[] = []
  readonly #unacked: Array<Chunk & { end: number }> = []
  #offset: number
  #limit: number
  #isOver = false

  constructor(
    process: number,
    from: number,
    send: (offset: number, bytes: Uint8Array, last: boolean) => void,
  ) {
    this.#process = process
    this.#send = send
    this.#offset = from
    this.#limit = from + inputWindowBytes
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#add(bytes, false)
  }

  end(): Promise<void> {
    return this.#add(new Uint8Array(), true)
  }

  window(acked: number, limit: number): void {
    this.#limit = Math.max(this.#limit, limit)
    while (this.#unacked[0] && this.#unacked[0].end <= acked) this.#unacked.shift()!.resolve()
    this.#pump()
  }

  /** Nobody will read any more. */
  over(): void {
    this.#isOver = true
    for (const { reject } of [...this.#unacked.splice(0), ...this.#waiting.splice(0)])
      reject(processExited(this.#process))
  }

  #add(bytes: Uint8Array, last: boolean): Promise<void> {
    if (this.#isOver) return Promise.reject(processExited(this.#process))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ bytes, last, sent: 0, resolve, reject })
    this.#pump()
    return promise
  }

  #pump(): void {
    for (let chunk = this.#waiting[0]; chunk; chunk = this.#waiting[0]) {
      const room = Math.min(this.#limit - this.#offset, chunk.bytes.length - chunk.sent)
      if (room <= 0 && chunk.sent < chunk.bytes.length) return
      const whole = chunk.sent + room === chunk.bytes.length
      this.#send(this.#offset, chunk.bytes.subarray(chunk.sent, chunk.sent + room), chunk.last && whole)
      chunk.sent += room
      this.#offset += room
      if (!whole) return
      this.#waiting.shift()
      // An end has no bytes of its own to be acknowledged.
      if (chunk.last || chunk.bytes.length === 0) chunk.resolve()
      else this.#unacked.push({ ...chunk, end: this.#offset })
    }
  }
}
