/** Runs tasks one after another: the single owner of a thing whose steps must not interleave. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Tasks queued or running. */
  get size(): number {
    return this.#waiting
  }

  run<T>(task: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#tail.then(task)
    this.#tail = result.then(
      () => this.#waiting--,
      () => this.#waiting--,
    )
    return result
  }

  /** Settles when everything queued so far has. */
  async idle(): Promise<void> {
    await this.#tail
  }
}
