/**
 * A process in a guest, as the engine sees it. Its exit is told after its output:
 *
 *     running ──EXIT──> exited ──both streams ended and written, or 2 s──> drained: `exited` resolves
 *        └───────────────────┴── the sandbox ends ──> `exited` resolves when EXIT had come, else rejects
 */
import type { GuestProcess, OutputStream, ProcessExit, ProcessOutput } from '../../engine/ports/sandbox.ts'
import { hasCode } from '../../lib/errors.ts'
import { nanosPerMs, secondMs } from '../../lib/units.ts'
import type { GuestChannel, ProcessListener } from './channel.ts'
import { processExited, sandboxGone } from './failures.ts'
import { type FieldReader, FieldWriter } from './fields.ts'
import { InputSender } from './input.ts'
import { drainAfterExitMs } from './limits.ts'
import { OutputReceiver } from './output.ts'
import { ops, tags } from './protocol.ts'

/** More than a guest's clock is wrong by when nobody has set it. */
const clockErrorMsMax = 60 * secondMs

export interface ProcessSetup {
  readonly id: number
  readonly tty: boolean
  readonly output: ProcessOutput
  readonly from: { readonly stdout: number; readonly stderr: number; readonly stdin: number }
  /** Some of its output could not be written and is lost. */
  outputFailed(error: unknown): void
}

export class VmProcess implements GuestProcess, ProcessListener {
  readonly id: number
  readonly #channel: GuestChannel
  readonly #outputs: Readonly<Partial<Record<OutputStream, OutputReceiver>>>
  readonly #input: InputSender
  readonly #exited = Promise.withResolvers<ProcessExit>()
  #exit: ProcessExit | undefined
  pid = 0

  constructor(channel: GuestChannel, setup: ProcessSetup) {
    const { id, output, from } = setup
    this.id = id
    this.#channel = channel
    const receiver = (stream: OutputStream) =>
      new OutputReceiver({
        from: from[stream],
        write: (chunk, offset) => output.write(stream, chunk, offset),
        sendWindow: (acked, limit) => channel.sendWindow(id, stream, acked, limit),
        failed: setup.outputFailed,
      })
    // A terminal has one stream.
    this.#outputs = { stdout: receiver('stdout'), ...(setup.tty ? {} : { stderr: receiver('stderr') }) }
    this.#input = new InputSender(id, from.stdin, (offset, bytes, last) =>
      channel.sendInput(id, offset, bytes, last),
    )
    this.#exited.promise.catch(() => {})
    channel.listen(id, this)
  }

  get exited(): Promise<ProcessExit> {
    return this.#exited.promise
  }

  /** The guest may send its output from now on; it waits for that. */
  openOutput(): void {
    for (const output of Object.values(this.#outputs)) output.open()
  }

  writeStdin(chunk: Buffer): Promise<void> {
    return this.#input.write(chunk)
  }

  endStdin(): Promise<void> {
    return this.#input.end()
  }

  async resize(rows: number, columns: number): Promise<void> {
    const fields = new FieldWriter()
      .u32(tags.processId, this.id)
      .u32(tags.rows, rows)
      .u32(tags.columns, columns)
    await this.#channel.request(ops.resize, fields, { processId: this.id })
  }

  async signal(signal: number, options: { all?: boolean } = {}): Promise<void> {
    if (this.#exit) throw processExited(this.id)
    const fields = new FieldWriter()
      .u32(tags.processId, this.id)
      .u32(tags.signal, signal)
      .bool(tags.all, options.all ?? false)
    await this.#channel.request(ops.signal, fields, { processId: this.id })
  }

  async forget(): Promise<void> {
    this.#channel.unlisten(this.id)
    try {
      await this.#channel.request(ops.forget, new FieldWriter().u32(tags.processId, this.id), {
        processId: this.id,
      })
    } catch (error) {
      if (!hasCode(error, 'process_exited') && !hasCode(error, 'sandbox_gone')) throw error
    }
  }

  /** It was never started: nobody is told anything. */
  abandon(): void {
    this.#channel.unlisten(this.id)
    this.#input.over()
  }

  data(stream: OutputStream, offset: number, bytes: Buffer, last: boolean): void {
    this.#outputs[stream]?.receive(offset, bytes, last)
  }

  inputWindow(acked: number, limit: number): void {
    this.#input.window(acked, limit)
  }

  exit(fields: FieldReader): void {
    if (this.#exit) return
    const signal = fields.u32(tags.exitSignal) & 0x7f
    this.#exit = {
      code: fields.u32(tags.exitCode) & 0xff,
      signal,
      oomKilled: fields.bool(tags.oom),
      at: plausible(Number(fields.u64(tags.exitedNs) / nanosPerMs)),
    }
    this.#input.over()
    void this.#drain(this.#exit)
  }

  gone(): void {
    this.#input.over()
    for (const output of Object.values(this.#outputs)) output.end()
    if (!this.#exit) this.#exited.reject(sandboxGone())
  }

  async #drain(exit: ProcessExit): Promise<void> {
    const outputs = Object.values(this.#outputs)
    let timer: NodeJS.Timeout | undefined
    const held = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, drainAfterExitMs)
    })
    await Promise.race([Promise.all(outputs.map(({ drained }) => drained)), held])
    clearTimeout(timer)
    await Promise.all(outputs.map((output) => output.written()))
    this.#exited.resolve(exit)
  }
}

/** A guest's clock is its own business; when something ended is ours too, and cannot be in the time to come. */
function plausible(ms: number): Date {
  const now = Date.now()
  return new Date(ms > 0 && ms <= now + clockErrorMsMax ? ms : now)
}
