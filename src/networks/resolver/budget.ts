/** How much one may ask: so many at once, and then so many a second. */
export class Budget {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at: number

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
    this.#at = nowMs
  }

  /** False when it is used up. */
  take(nowMs: number): boolean {
    const more = ((nowMs - this.#at) / 1000) * this.#perSecond
    this.#left = Math.min(this.#burst, this.#left + more)
    this.#at = nowMs
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
