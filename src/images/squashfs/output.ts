/** Writes a file from its start to its end, in large pieces. Synchronous: it works in a thread of its own. */
import { writeSync } from 'node:fs'
import { MiB } from '../../lib/units.ts'

export class Output {
  readonly #fd: number
  readonly #buffer = Buffer.alloc(1 * MiB)
  #fill = 0
  #flushed = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  get position(): number {
    return this.#flushed + this.#fill
  }

  write(data: Buffer): void {
    if (data.length > this.#buffer.length - this.#fill) this.flush()
    if (data.length > this.#buffer.length) this.#writeOut(data)
    else this.#fill += data.copy(this.#buffer, this.#fill)
  }

  flush(): void {
    this.#writeOut(this.#buffer.subarray(0, this.#fill))
    this.#fill = 0
  }

  /** Over what was written before. */
  overwrite(data: Buffer, position: number): void {
    this.flush()
    writeAll(this.#fd, data, position)
  }

  #writeOut(data: Buffer): void {
    writeAll(this.#fd, data, this.#flushed)
    this.#flushed += data.length
  }
}

function writeAll(fd: number, data: Buffer, position: number): void {
  for (let done = 0; done < data.length; ) {
    done += writeSync(fd, data, done, data.length - done, position + done)
  }
}
