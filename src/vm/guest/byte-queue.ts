/**
 * What a process says, for one reader that takes it when it wants to: the writer is told that a chunk is safe when the reader has
 * come for it, so nothing is kept but what the guest may send unasked.
 */
interface Waiting {
  resolve(chunk: Buffer | undefined): void
  reject(error: unknown): void
}

export class ByteQueue {
  readonly #chunks: { readonly bytes: Buffer; readonly taken: () => void }[] = []
  #waiting: Waiting | undefined
  #end: { readonly error?: unknown } | undefined
  #rest: Buffer = Buffer.alloc(0)

  /** Resolves when the reader has taken it, or never will. */
  push(bytes: Buffer): void | Promise<void> {
    if (this.#end) return
    if (this.#waiting) {
      const { resolve } = this.#waiting
      this.#waiting = undefined
      resolve(bytes)
      return
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#chunks.push({ bytes, taken: resolve })
    return promise
  }

  /** No more comes. */
  end(): void {
    this.#finish({})
  }

  /** What is there is of no use. */
  fail(error: unknown): void {
    if (this.#end) return
    for (const { taken } of this.#chunks.splice(0)) taken()
    this.#finish({ error })
  }

  /** At least one byte; undefined at the end. */
  async some(max = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    if (this.#rest.length === 0) {
      const next = this.#next()
      const bytes = next instanceof Promise ? await next : next
      if (!bytes) return undefined
      this.#rest = bytes
    }
    const taken = this.#rest.subarray(0, Math.min(max, this.#rest.length))
    this.#rest = this.#rest.subarray(taken.length)
    return taken
  }

  /** Exactly `count` bytes; fewer when the end comes first. */
  async exactly(count: number): Promise<Buffer> {
    if (this.#rest.length >= count) {
      const taken = this.#rest.subarray(0, count)
      this.#rest = this.#rest.subarray(count)
      return taken
    }
    const parts: Buffer[] = []
    let missing = count
    while (missing > 0) {
      const bytes = await this.some(missing)
      if (!bytes) break
      parts.push(bytes)
      missing -= bytes.length
    }
    return Buffer.concat(parts)
  }

  #next(): Buffer | undefined | Promise<Buffer | undefined> {
    const chunk = this.#chunks.shift()
    if (chunk) {
      chunk.taken()
      return chunk.bytes
    }
    if (this.#end?.error) throw this.#end.error
    if (this.#end) return undefined
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>()
    this.#waiting = { resolve, reject }
    return promise
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end) return
    this.#end = end
    if (end.error) this.#waiting?.reject(end.error)
    else this.#waiting?.resolve(undefined)
    this.#waiting = undefined
  }
}
