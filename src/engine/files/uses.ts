/** Who is at work in a sandbox that somebody else would like to end. */
import { setTimeout as sleep } from 'node:timers/promises'

export class Uses {
  readonly #onIdle: () => void
  #count = 0
  #waiting: (() => void)[] = []

  constructor(onIdle: () => void = () => {}) {
    this.#onIdle = onIdle
  }

  get any(): boolean {
    return this.#count > 0
  }

  /** Answers what ends the use; calling it again does nothing. */
  begin(): () => void {
    this.#count++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      if (--this.#count > 0) return
      for (const resolve of this.#waiting.splice(0)) resolve()
      this.#onIdle()
    }
  }

  /** Resolves when nobody is at work, or after `patienceMs`, or when `hurry` aborts. */
  async settled(patienceMs: number, hurry?: AbortSignal): Promise<void> {
    if (this.#count === 0) return
    const idle = new Promise<void>((resolve) => this.#waiting.push(resolve))
    const over = new AbortController()
    const signal = hurry ? AbortSignal.any([over.signal, hurry]) : over.signal
    await Promise.race([idle, sleep(patienceMs, undefined, { signal }).catch(() => {})])
    over.abort()
  }
}
