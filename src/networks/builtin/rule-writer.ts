/**
 * Brings changes of rules into the kernel, for one namespace. Changes that arrive while a transaction is under way go
 * into the next one together. When a transaction is refused, because somebody flushed the host's rules or because
 * reality and records differ, the whole rule set is written anew from what should be.
 */
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

interface Change {
  /** null: everything. */
  readonly script: string | null
  resolve(): void
  reject(error: unknown): void
}

export interface RuleWriterOptions {
  /** What is written, for the log. */
  readonly what: string
  /** Carries out one script as one transaction. */
  readonly apply: (script: string) => Promise<void>
  /** The whole rule set as it should be now. */
  readonly render: () => string
  readonly log: Log
}

export class RuleWriter {
  readonly #options: RuleWriterOptions
  #waiting: Change[] = []
  #working: Promise<void> | undefined

  constructor(options: RuleWriterOptions) {
    this.#options = options
  }

  /** Resolves when the change holds. The state that `render` reads must have it already. */
  change(script: string): Promise<void> {
    return script === '' ? Promise.resolve() : this.#enqueue(script)
  }

  /** Resolves when the kernel has exactly what `render` says. */
  rewrite(): Promise<void> {
    return this.#enqueue(null)
  }

  /** Settles when nothing is under way. */
  async idle(): Promise<void> {
    await this.#working
  }

  #enqueue(script: string | null): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ script, resolve, reject })
    this.#working ??= this.#work()
    return promise
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0)
      try {
        await this.#write(batch.map((change) => change.script))
        for (const change of batch) change.resolve()
      } catch (error) {
        for (const change of batch) change.reject(error)
      }
    }
    this.#working = undefined
  }

  async #write(scripts: readonly (string | null)[]): Promise<void> {
    const { apply, render, log, what } = this.#options
    if (!scripts.includes(null)) {
      try {
        await apply(scripts.join(''))
        return
      } catch (error) {
        log.warn({ what, reason: messageOf(error) }, 'a change of rules was refused; all are written anew')
      }
    }
    await apply(render())
  }
}
