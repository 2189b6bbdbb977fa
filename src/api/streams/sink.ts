/** Writing at the reader's pace: every write waits until the client has taken enough of what came before. */
import type { Writable } from 'node:stream'
import { cancelled } from '../../lib/errors.ts'

const clientGone = () => cancelled('client_gone', 'the client closed its connection')

export class Sink {
  readonly #target: Writable
  readonly #signal: AbortSignal

  constructor(target: Writable, signal: AbortSignal) {
    this.#target = target
    this.#signal = signal
  }

  /** Resolves when more may be written; rejects with kind `cancelled` when the client has gone. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#target.destroyed || this.#signal.aborted) throw clientGone()
    if (!this.#target.write(chunk)) await this.#drained()
  }

  /** For the little that cannot wait; `backlogBytes` is for the caller to mind. */
  push(chunk: string): void {
    if (!this.#target.destroyed && !this.#signal.aborted) this.#target.write(chunk)
  }

  /** Written and not yet taken by the client. */
  get backlogBytes(): number {
    return this.#target.writableLength
  }

  end(): void {
    this.#target.end()
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (gone: boolean) => {
        this.#target.off('drain', onDrain)
        this.#target.off('close', onGone)
        this.#signal.removeEventListener('abort', onGone)
        if (gone) reject(clientGone())
        else resolve()
      }
      const onDrain = () => settle(false)
      const onGone = () => settle(true)
      this.#target.once('drain', onDrain)
      this.#target.once('close', onGone)
      this.#signal.addEventListener('abort', onGone, { once: true })
    })
  }
}
