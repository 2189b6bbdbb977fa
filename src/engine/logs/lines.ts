/** Lines out of pieces of a stream; a line that came in pieces has the time of its first. */
import { KiB } from '../../lib/units.ts'
import type { LogChunk } from '../model.ts'
import type { OutputStream } from '../ports/sandbox.ts'

/** A line longer than this comes in pieces: a stream without newlines must not grow in memory. */
export const lineBytesMax = 256 * KiB
const newline = 10

export class LineSplitter {
  readonly #stream: OutputStream
  #parts: Buffer[] = []
  #bytes = 0
  #timeNano = 0n

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  *feed(payload: Buffer, timeNano: bigint): Generator<LogChunk> {
    for (let from = 0; from < payload.length; ) {
      const room = lineBytesMax - this.#bytes
      const found = payload.indexOf(newline, from)
      const end = Math.min(found < 0 ? payload.length : found + 1, from + room)
      if (this.#bytes === 0) this.#timeNano = timeNano
      this.#parts.push(payload.subarray(from, end))
      this.#bytes += end - from
      if (payload[end - 1] === newline || this.#bytes === lineBytesMax) yield* this.flush()
      from = end
    }
  }

  /** What is there of a line, as one. */
  *flush(): Generator<LogChunk> {
    if (this.#bytes === 0) return
    const data = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#bytes)
    this.#parts = []
    this.#bytes = 0
    yield { stream: this.#stream, timeNano: this.#timeNano, data }
  }
}
