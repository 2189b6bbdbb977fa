/**
 * JSON lines that tell of a long job (pull, push, load). The status leaves with the first line: what fails before is an
 * ordinary error, what fails later is told in a last line, as dockerd does.
 */
import type { ApiLimits } from '../limits.ts'
import type { Reply } from '../reply.ts'
import type { Sink } from './sink.ts'

export type ProgressLine = Readonly<Record<string, unknown>>

export class Progress {
  readonly #reply: Reply
  readonly #limits: ApiLimits
  #sink: Sink | null = null

  constructor(reply: Reply, limits: ApiLimits) {
    this.#reply = reply
    this.#limits = limits
  }

  /** Runs the job and answers; rejects when it failed before it had anything to tell. */
  async of(
    job: (tell: (line: ProgressLine) => void) => Promise<void>,
    describe: (error: unknown) => string | { readonly message: string; readonly code?: number },
  ): Promise<void> {
    try {
      await job((line) => this.#tell(line))
    } catch (error) {
      if (!this.#sink) throw error
      const said = describe(error)
      const detail = typeof said === 'string' ? { message: said } : said
      this.#write({ errorDetail: detail, error: detail.message })
    }
    this.#open().end()
  }

  /** A bar that moves is outdated by its next line: a slow client is spared those. */
  #tell(line: ProgressLine): void {
    const moving = (line.progressDetail as { current?: unknown } | undefined)?.current !== undefined
    if (moving && this.#open().backlogBytes > this.#limits.progressBacklogBytesMax) return
    this.#write(line)
  }

  #write(line: ProgressLine): void {
    this.#open().push(`${JSON.stringify(line)}\r\n`)
  }

  #open(): Sink {
    this.#sink ??= this.#reply.stream(200, 'application/json')
    return this.#sink
  }
}
