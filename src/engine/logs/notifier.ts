/** Wakes readers of something that grows: a reader that looked away between looking and waiting misses nothing. */

export class Notifier {
  #version = 0
  #waiting = new Set<() => void>()

  /** Take this before looking. */
  get version(): number {
    return this.#version
  }

  notify(): void {
    this.#version++
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Resolves when something happened since `seen`, or the signal aborts. */
  async wait(seen: number, signal?: AbortSignal): Promise<void> {
    if (this.#version !== seen || signal?.aborted) return
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }
}
