/**
 * A process of START_FILES: its output for a reader that may be slow, its input, and how it ended.
 *
 *     started ──EXIT──> exited ──both streams ended and were taken──> finished()
 *        └── dispose: killed when it runs ──> forgotten
 */
import { within } from '../../lib/deadline.ts'
import { hasCode, internal, invalid } from '../../lib/errors.ts'
import { ByteQueue } from './byte-queue.ts'
import type { GuestChannel, ProcessListener } from './channel.ts'
import { errnoName, printable, sandboxGone } from './failures.ts'
import { type FieldReader, FieldWriter } from './fields.ts'
import { InputSender } from './input.ts'
import { requestDeadlineMs } from './limits.ts'
import { OutputReceiver } from './output.ts'
import { ops, tags } from './protocol.ts'

const sigkill = 9
/** Enough for one message. */
const saidBytesMax = 1024

interface Exit {
  readonly code: number
  readonly signal: number
}

export class FileProcess implements ProcessListener {
  readonly output = new ByteQueue()
  readonly #channel: GuestChannel
  readonly #id: number
  readonly #stdout: OutputReceiver
  readonly #stderr: OutputReceiver
  readonly #input: InputSender
  readonly #exited = Promise.withResolvers<Exit>()
  #exit: Exit | undefined
  #isGone = false
  #said = Buffer.alloc(0)

  /** `acked`: what an earlier daemon has had of it. */
  constructor(channel: GuestChannel, id: number, acked = { stdout: 0, stderr: 0, stdin: 0 }) {
    this.#channel = channel
    this.#id = id
    const receiver = (stream: 'stdout' | 'stderr', write: (chunk: Buffer) => void | Promise<void>) =>
      new OutputReceiver({
        from: acked[stream],
        write,
        sendWindow: (safe, limit) => channel.sendWindow(id, stream, safe, limit),
        failed: (error) => this.output.fail(error),
      })
    this.#stdout = receiver('stdout', (chunk) => this.output.push(chunk))
    this.#stderr = receiver('stderr', (chunk) => {
      this.#said = Buffer.concat([this.#said, chunk]).subarray(0, saidBytesMax)
    })
    this.#input = new InputSender(id, acked.stdin, (offset, bytes, last) =>
      channel.sendInput(id, offset, bytes, last),
    )
    this.#exited.promise.catch(() => {})
    void this.#stdout.drained.then(() => this.output.end())
    channel.listen(id, this)
  }

  static async start(channel: GuestChannel, id: number, fields: FieldWriter): Promise<FileProcess> {
    const process = new FileProcess(channel, id)
    try {
      const answer = channel.request(ops.startFiles, fields, { processId: id })
      process.openOutput()
      await answer
      return process
    } catch (error) {
      // A guest that is late may start it yet.
      if (hasCode(error, 'deadline')) process.dispose().catch(() => {})
      else channel.unlisten(id)
      throw error
    }
  }

  openOutput(): void {
    this.#stdout.open()
    this.#stderr.open()
  }

  /** Resolves when the guest has taken it; rejects with code `process_exited` when nobody will read it. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#input.write(bytes)
  }

  endInput(): Promise<void> {
    return this.#input.end()
  }

  /** Resolves when it has done all that it was to do; rejects with code `file_error`. */
  async finished(): Promise<void> {
    const { code, signal } = await this.#exited.promise
    await this.#stderr.drained
    if (this.#isGone) throw sandboxGone()
    if (signal) throw internal('file_process_killed', `a process for files was ended by signal ${signal}`)
    if (code === 0) return
    const errno = errnoName(code)
    throw invalid('file_error', printable(this.#said.toString('utf8')) || errno, { details: { errno } })
  }

  /** Ends it if it runs, and has the guest forget it. */
  async dispose(): Promise<void> {
    this.output.end()
    try {
      if (!this.#exit) {
        const fields = new FieldWriter().u32(tags.processId, this.#id).u32(tags.signal, sigkill)
        await this.#channel.request(ops.signal, fields, { processId: this.#id }).catch(unlessOver)
        await within(this.#exited.promise, requestDeadlineMs, 'the end of a process for files')
      }
      const fields = new FieldWriter().u32(tags.processId, this.#id)
      await this.#channel.request(ops.forget, fields, { processId: this.#id })
    } catch (error) {
      unlessOver(error)
    } finally {
      this.#channel.unlisten(this.#id)
      this.#input.over()
    }
  }

  data(stream: 'stdout' | 'stderr', offset: number, bytes: Buffer, last: boolean): void {
    const receiver = stream === 'stdout' ? this.#stdout : this.#stderr
    receiver.receive(offset, bytes, last)
  }

  inputWindow(acked: number, limit: number): void {
    this.#input.window(acked, limit)
  }

  exit(fields: FieldReader): void {
    this.#exit ??= { code: fields.u32(tags.exitCode) & 0xff, signal: fields.u32(tags.exitSignal) & 0x7f }
    this.#input.over()
    this.#exited.resolve(this.#exit)
  }

  gone(): void {
    this.#isGone = true
    this.#input.over()
    this.output.fail(sandboxGone())
    this.#stdout.end()
    this.#stderr.end()
    this.#exited.reject(sandboxGone())
  }
}

function unlessOver(error: unknown): void {
  if (!hasCode(error, 'process_exited') && !hasCode(error, 'sandbox_gone')) throw error
}
