/**
 * A tree of files on its way into a process: small records go together, and a few pieces are under way at once, so that neither
 * the number of files nor the distance costs more than it must.
 */
import type { FileRecord } from '../../engine/ports/files.ts'
import { invalid } from '../../lib/errors.ts'
import type { FileProcess } from './file-process.ts'
import { inputWindowBytes } from './limits.ts'
import { encodeEntry } from './records.ts'

/** The guest has one in its hands while the next are under way. */
const piecesUnderWayMax = 3

export class TreeInput {
  readonly #process: FileProcess
  #pieces: Buffer[] = []
  #bytes = 0
  readonly #underWay: Promise<void>[] = []

  constructor(process: FileProcess) {
    this.#process = process
  }

  async add({ entry, content }: FileRecord): Promise<void> {
    await this.#append(encodeEntry(entry))
    if (entry.kind !== 'file') return
    let left = entry.size
    for await (const chunk of content ?? []) {
      left -= chunk.length
      if (left < 0) break
      await this.#append(chunk)
    }
    if (left !== 0)
      throw invalid(
        'content_size',
        `${JSON.stringify(entry.path)} has ${left < 0 ? 'more' : 'less'} content than its ${entry.size} bytes`,
      )
  }

  async end(): Promise<void> {
    await this.#flush()
    await Promise.all(this.#underWay)
    await this.#process.endInput()
  }

  async #append(bytes: Buffer): Promise<void> {
    this.#pieces.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= inputWindowBytes) await this.#flush()
  }

  async #flush(): Promise<void> {
    const writing = this.#process.write(Buffer.concat(this.#pieces))
    // Its failure is met when it is waited for, be that after the next one's.
    writing.catch(() => {})
    this.#pieces = []
    this.#bytes = 0
    this.#underWay.push(writing)
    if (this.#underWay.length >= piecesUnderWayMax) await this.#underWay.shift()
  }
}
