/** Those who wait for a container to exit or to go. */
import { cancelled } from '../lib/errors.ts'

export type WaitCondition = 'not-running' | 'next-exit' | 'removed'

export interface WaitOutcome {
  readonly exitCode: number
  readonly error: string
}

interface Waiter {
  readonly condition: WaitCondition
  readonly resolve: (outcome: WaitOutcome) => void
}

export class Waiters {
  readonly #waiters = new Set<Waiter>()

  /** Rejects with kind `cancelled` when the signal aborts. */
  add(condition: WaitCondition, signal: AbortSignal): Promise<WaitOutcome> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        condition,
        resolve: (outcome) => {
          this.#waiters.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          resolve(outcome)
        },
      }
      const onAbort = () => {
        this.#waiters.delete(waiter)
        reject(cancelled('cancelled', 'the wait was cancelled'))
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** Its state is in the store. */
  exited(outcome: WaitOutcome): void {
    for (const waiter of [...this.#waiters]) if (waiter.condition !== 'removed') waiter.resolve(outcome)
  }

  /** It is gone: nothing else will ever happen to it. */
  removed(outcome: WaitOutcome): void {
    this.exited(outcome)
    for (const waiter of [...this.#waiters]) waiter.resolve(outcome)
  }
}
