/**
 * One output stream of a process. The guest may send as far as its window reaches, and forgets what we say is safe:
 *
 *     0 ────────── acked ───────────── received ─────────────── limit = acked + window
 *       written: the guest   handed to the writer,      what the guest may still send
 *       has dropped it       not yet written
 *
 * So a slow writer slows the process, and neither side keeps more than a window.
 */
import { internal } from '../../lib/errors.ts'
import { outputAckBytes, outputWindowBytes } from './limits.ts'

export interface OutputStreamOptions {
  /** Where the writer is already. */
  readonly from: number
  write(chunk: Buffer, offset: number): void | Promise<void>
  sendWindow(acked: number, limit: number): void
  /** The bytes are lost, the stream goes on. */
  failed(error: unknown): void
}

export class OutputReceiver {
  readonly #options: OutputStreamOptions
  readonly #drained = Promise.withResolvers<void>()
  #received: number
  #acked: number
  #ackedSent: number
  #ended = false
  #writing: Promise<void> | null = null

  constructor(options: OutputStreamOptions) {
    this.#options = options
    this.#received = options.from
    this.#acked = options.from
    this.#ackedSent = options.from
  }

  /** Resolves when the stream has ended and all of it is written. */
  get drained(): Promise<void> {
    return this.#drained.promise
  }

  open(): void {
    this.#sendWindow()
  }

  /** Throws code `bad_guest`: what a guest says must be the next bytes, and no more than it was allowed. */
  receive(offset: number, chunk: Buffer, last: boolean): void {
    if (offset !== this.#received)
      throw internal('bad_guest', `the guest sent output at ${offset} where ${this.#received} is next`)
    if (offset + chunk.length > this.#ackedSent + outputWindowBytes)
      throw internal('bad_guest', 'the guest sent more output than it may')
    if (this.#ended) throw internal('bad_guest', 'the guest sent output behind its end')
    this.#received += chunk.length
    this.#ended = last
    if (chunk.length > 0) this.#write(chunk, offset)
    if (last) this.#settle()
  }

  /** No more will come: whatever was received is waited for. */
  end(): void {
    this.#ended = true
    this.#settle()
  }

  /** Resolves when all that was received is written. */
  async written(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  #write(chunk: Buffer, offset: number): void {
    if (this.#writing) {
      this.#chain(
        this.#writing.then(() => this.#options.write(chunk, offset)),
        chunk.length,
      )
      return
    }
    try {
      const writing = this.#options.write(chunk, offset)
      if (writing) this.#chain(writing, chunk.length)
      else this.#wrote(chunk.length)
    } catch (error) {
      this.#options.failed(error)
      this.#wrote(chunk.length)
    }
  }

  #chain(writing: Promise<void>, length: number): void {
    const done: Promise<void> = writing
      .catch((error) => this.#options.failed(error))
      .then(() => {
        if (this.#writing === done) this.#writing = null
        this.#wrote(length)
      })
    this.#writing = done
  }

  #wrote(length: number): void {
    this.#acked += length
    if (this.#acked - this.#ackedSent >= outputAckBytes && !this.#ended) this.#sendWindow()
    this.#settle()
  }

  #sendWindow(): void {
    this.#ackedSent = this.#acked
    this.#options.sendWindow(this.#acked, this.#acked + outputWindowBytes)
  }

  #settle(): void {
    if (this.#ended && this.#acked === this.#received) this.#drained.resolve()
  }
}
