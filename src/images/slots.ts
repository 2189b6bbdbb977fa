/** Lets so many tasks run at once, the others in the order they came. */
import { cancelled } from '../lib/errors.ts'

export class Slots {
  #free: number
  readonly #waiting: Array<() => void> = []

  constructor(count: number) {
    this.#free = count
  }

  /** A task whose signal aborts while it waits is never started. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      if (signal?.aborted) throw cancelled('cancelled', 'the request was cancelled', { cause: signal.reason })
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
