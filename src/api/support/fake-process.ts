/** A process that lives in memory: a tiny shell of commands, whose output any number of sessions may follow. */
import type { AttachSession, LogChunk } from '../../engine/model.ts'
import { conflict } from '../../lib/errors.ts'

/** What was output so far, for all who follow; at each follower's own pace. */
export class Output {
  readonly chunks: LogChunk[] = []
  #ended = false
  #wake: (() => void)[] = []

  write(stream: 'stdout' | 'stderr', text: string | Buffer): void {
    this.chunks.push({
      stream,
      data: Buffer.from(text),
      timeNano: BigInt(Date.now()) * 1_000_000n + BigInt(this.chunks.length),
    })
    this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  async *follow(from: number, closed: AbortSignal): AsyncIterable<LogChunk> {
    for (let at = from; !closed.aborted; at++) {
      while (at >= this.chunks.length) {
        if (this.#ended || closed.aborted) return
        await new Promise<void>((resolve) => {
          this.#wake.push(resolve)
          closed.addEventListener('abort', () => resolve(), { once: true })
        })
      }
      yield this.chunks[at]!
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

export class FakeProcess {
  readonly output = new Output()
  readonly exited: Promise<number>
  /** Everything that was written to it. */
  readonly stdin: Buffer[] = []
  stdinEnded = false
  sessionsOpen = 0
  size: { rows: number; columns: number } | null = null
  readonly #cmd: readonly string[]
  #exit!: (code: number) => void
  #code: number | null = null

  constructor(cmd: readonly string[]) {
    this.#cmd = cmd
    this.exited = new Promise((resolve) => {
      this.#exit = resolve
    })
  }

  get code(): number | null {
    return this.#code
  }

  run(): void {
    const [program, ...args] = this.#cmd
    if (program === 'echo') this.output.write('stdout', `${args.join(' ')}\n`)
    if (program === 'both') {
      this.output.write('stdout', 'out\n')
      this.output.write('stderr', 'err\n')
    }
    if (program === 'cat' || program === 'sleep') return
    this.exit(program === 'exit' ? Number(args[0]) : 0)
  }

  input(chunk: Buffer): void {
    if (this.#code !== null) throw conflict('process_exited', 'the process has exited')
    this.stdin.push(chunk)
    if (this.#cmd[0] === 'cat') this.output.write('stdout', chunk)
  }

  endInput(): void {
    this.stdinEnded = true
    if (this.#cmd[0] === 'cat') this.exit(0)
  }

  exit(code: number): void {
    if (this.#code !== null) return
    this.#code = code
    this.output.end()
    this.#exit(code)
  }

  attach(from: number): AttachSession {
    const closed = new AbortController()
    this.sessionsOpen++
    return {
      output: this.output.follow(from, closed.signal),
      writeStdin: async (chunk) => this.input(chunk),
      endStdin: async () => this.endInput(),
      close: () => {
        if (!closed.signal.aborted) this.sessionsOpen--
        closed.abort()
      },
    }
  }
}
