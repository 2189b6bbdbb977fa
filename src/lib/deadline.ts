/** Waits that end: every promise the daemon awaits from outside goes through one of these. */
import { setTimeout as sleep } from 'node:timers/promises'
import { cancelled, deadlineExceeded } from './errors.ts'

/** Rejects with kind `deadline` when `promise` has not settled after `ms`; the work itself is not stopped. */
export async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(deadlineExceeded('deadline', `${what} did not finish within ${ms} ms`)),
      ms,
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Rejects with kind `cancelled` as soon as `signal` aborts; the work itself is not stopped. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled('cancelled', 'the request was cancelled', { cause: signal.reason }))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Asks `probe` again and again until it returns something other than undefined or false. An exception of the
 * probe counts as "not yet" and is named when the deadline passes.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  options: { deadlineMs: number; everyMs?: number; signal?: AbortSignal },
): Promise<T> {
  const end = performance.now() + options.deadlineMs
  let last = 'nothing yet'
  for (;;) {
    options.signal?.throwIfAborted()
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
    }
    if (performance.now() >= end) {
      throw deadlineExceeded('deadline', `waited ${options.deadlineMs} ms for ${what}; last: ${last}`)
    }
    await sleep(options.everyMs ?? 5)
  }
}
