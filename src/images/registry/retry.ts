/** Again, a bounded number of times, each time later. */
import { setTimeout as sleep } from 'node:timers/promises'
import { cancelled, hasCode } from '../../lib/errors.ts'

export const attemptsMax = 5

export interface RetryOptions {
  /** The first wait; each is twice the one before. */
  readonly retryMs: number
  readonly signal?: AbortSignal | undefined
  readonly isTransient: (error: unknown) => boolean
}

export async function withRetries<T>(task: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await task()
    } catch (error) {
      const isRefused =
        hasCode((error as Error).cause, 'ECONNREFUSED') || hasCode((error as Error).cause, 'ENOTFOUND')
      // Where nobody listens, nobody will in a second; the user is better told at once.
      if (attempt === attemptsMax || isRefused || !options.isTransient(error)) throw error
      await pause(options.retryMs * 2 ** (attempt - 1), options.signal)
    }
  }
}

export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {})
  } catch (error) {
    throw cancelled('cancelled', 'the request was cancelled', { cause: error })
  }
}
