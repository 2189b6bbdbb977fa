/**
 * Output handed from a process to one client without being kept: a write resolves when the client has pulled it, so a
 * slow client slows the process. Nothing grows: the guest sends no more than its window before it hears that.
 */
import type { LogChunk } from '../model.ts'

interface Offer {
  readonly chunk: LogChunk
  readonly taken: () => void
}

export class Pipe implements AsyncIterable<LogChunk> {
  #offers: Offer[] = []
  #ended = false
  #closed = false
  #wake: (() => void) | undefined

  /** Resolves at once when the client is gone. */
  write(chunk: LogChunk): void | Promise<void> {
    if (this.#closed) return
    return new Promise((taken) => {
      this.#offers.push({ chunk, taken })
      this.#wake?.()
    })
  }

  /** Nothing more will be written. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  /** The client is gone: what is offered, now and later, counts as taken. */
  close(): void {
    this.#closed = true
    for (const { taken } of this.#offers.splice(0)) taken()
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LogChunk> {
    try {
      for (;;) {
        const offer = this.#offers.shift()
        if (offer) {
          offer.taken()
          yield offer.chunk
        } else if (this.#ended || this.#closed) return
        else {
          await new Promise<void>((wake) => {
            this.#wake = wake
          })
          this.#wake = undefined
        }
      }
    } finally {
      this.close()
    }
  }
}
