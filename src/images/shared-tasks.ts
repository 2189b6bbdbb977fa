/**
 * One task for all who want the same at the same time. It has a signal of its own, which aborts when the last of them has
 * gone away; each is told of its progress.
 */
import { unlessAborted } from '../lib/deadline.ts'

interface Running<T, P> {
  readonly result: Promise<T>
  readonly listeners: Set<(progress: P) => void>
  readonly abort: AbortController
  waiting: number
}

export class SharedTasks<T, P> {
  readonly #running = new Map<string, Running<T, P>>()

  async run(
    key: string,
    start: (signal: AbortSignal, onProgress: (progress: P) => void) => Promise<T>,
    options: { signal: AbortSignal; onProgress: (progress: P) => void },
  ): Promise<T> {
    const task = this.#running.get(key) ?? this.#start(key, start)
    task.waiting++
    task.listeners.add(options.onProgress)
    try {
      return await unlessAborted(task.result, options.signal)
    } finally {
      task.listeners.delete(options.onProgress)
      if (--task.waiting === 0) {
        task.abort.abort()
        if (this.#running.get(key) === task) this.#running.delete(key)
        // Whoever waited last also waits until nothing of it is left.
        await task.result.catch(() => {})
      }
    }
  }

  #start(
    key: string,
    start: (signal: AbortSignal, onProgress: (progress: P) => void) => Promise<T>,
  ): Running<T, P> {
    const abort = new AbortController()
    const listeners = new Set<(progress: P) => void>()
    const result = start(abort.signal, (progress) => {
      for (const listener of listeners) listener(progress)
    })
    const task = { result, listeners, abort, waiting: 0 }
    this.#running.set(key, task)
    return task
  }
}
