/**
 * The output of one container, written in batches: whatever comes while a write is under way goes with the next. A
 * chunk is safe when `append` has resolved: the kernel has it, so the daemon may die.
 */
import { type FileHandle, rm } from 'node:fs/promises'
import { until } from '../../lib/deadline.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { MiB, secondMs } from '../../lib/units.ts'
import type { Clock } from '../clock.ts'
import type { OutputStream } from '../ports/sandbox.ts'
import {
  encode,
  midLineMark,
  payloadBytesMax,
  type RecordToWrite,
  runBegins,
  segmentHeaderBytes,
  stderrStream,
  stdoutStream,
} from './format.ts'
import { Notifier } from './notifier.ts'
import { createSegment, listSegments, openSegment, recoverSegment, type Segment } from './segments.ts'

export interface LogFileOptions {
  readonly directory: string
  /** A new segment is begun beyond this, and the oldest removed beyond so many. */
  readonly segmentBytesMax: number
  readonly segmentsMax: number
  readonly clock: Clock
  readonly log: Log
}

/** Bounds of one write: what the kernel takes in one call, and what a reader has to wait for. */
const batchBytesMax = MiB
const batchRecordsMax = 256

const newline = 10
const noPayload = Buffer.alloc(0)

interface Batch {
  readonly records: RecordToWrite[]
  bytes: number
  readonly done: PromiseWithResolvers<void>
}

export class LogFile {
  /** Told of every write. */
  readonly changed = new Notifier()
  readonly #options: LogFileOptions
  #segments: Segment[]
  #file: { readonly handle: FileHandle; readonly secret: number } | undefined
  #stdoutEnd = 0
  #stderrEnd = 0
  #lastNano = 0n
  /** Of what is written: where each stream has come to. */
  #written = { stdoutEnd: 0, stderrEnd: 0, midLine: { stdout: false, stderr: false } }
  #batches: Batch[] = []
  #pump: Promise<void> | undefined
  #lossReported = false
  #readers = 0

  private constructor(options: LogFileOptions, segments: Segment[]) {
    this.#options = options
    this.#segments = segments
  }

  /** Puts right what a killed daemon left. */
  static async open(options: LogFileOptions): Promise<LogFile> {
    const segments = await listSegments(options.directory)
    const log = new LogFile(options, segments)
    for (const segment of segments.toReversed()) {
      const end = await recoverSegment(segment)
      if (!end) continue
      log.#stdoutEnd = end.stdoutEnd
      log.#stderrEnd = end.stderrEnd
      log.#lastNano = end.timeNano
      const midLine = { stdout: end.midLine === 'stdout', stderr: end.midLine === 'stderr' }
      log.#written = { stdoutEnd: end.stdoutEnd, stderrEnd: end.stderrEnd, midLine }
      break
    }
    return log
  }

  /** How much output of the present run is in the log. */
  get offsets(): { stdout: number; stderr: number } {
    return { stdout: this.#stdoutEnd, stderr: this.#stderrEnd }
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** Where the next record will be, or 0 of a segment to come. */
  get end(): { segment: number; offset: number } {
    const last = this.#segments.at(-1)
    return last ? { segment: last.number, offset: last.size } : { segment: 0, offset: 0 }
  }

  /** The streams begin anew. */
  beginRun(): Promise<void> {
    this.#stdoutEnd = 0
    this.#stderrEnd = 0
    this.#lossReported = false
    return this.#push(runBegins, Buffer.alloc(0))
  }

  /** What is there already, by its offset, is not written again. */
  append(stream: OutputStream, chunk: Buffer, offset: number): void | Promise<void> {
    const end = stream === 'stdout' ? this.#stdoutEnd : this.#stderrEnd
    const fresh = offset < end ? chunk.subarray(end - offset) : chunk
    if (fresh.length === 0) return
    if (offset > end) {
      this.#options.log.warn({ stream, offset, end }, 'output is missing before what the guest sent')
      this.#setEnd(stream, offset)
    }
    let done: Promise<void> | undefined
    for (let at = 0; at < fresh.length; at += payloadBytesMax) {
      const payload = fresh.subarray(at, at + payloadBytesMax)
      this.#setEnd(stream, (stream === 'stdout' ? this.#stdoutEnd : this.#stderrEnd) + payload.length)
      done = this.#push(stream === 'stdout' ? stdoutStream : stderrStream, payload)
    }
    return done
  }

  /** Everything appended so far is written. */
  async flush(): Promise<void> {
    await this.#pump
  }

  /** Nothing is written for now. A later append opens it again. */
  async rest(): Promise<void> {
    await this.#pump
    const file = this.#file
    this.#file = undefined
    await file?.handle.close()
  }

  /** Marks a reader, so that removal waits for it a while. */
  addReader(): Disposable {
    this.#readers++
    let gone = false
    return {
      [Symbol.dispose]: () => {
        if (!gone) this.#readers--
        gone = true
      },
    }
  }

  /** Readers have so long to come to the end of what a removed container said. */
  async readersGone(deadlineMs = 10 * secondMs): Promise<void> {
    if (this.#readers === 0) return
    await until('the readers of the log', () => this.#readers === 0, { deadlineMs, everyMs: 20 }).catch(() =>
      this.#options.log.info({}, 'a log is removed under its readers'),
    )
  }

  #setEnd(stream: OutputStream, end: number): void {
    if (stream === 'stdout') this.#stdoutEnd = end
    else this.#stderrEnd = end
  }

  #push(stream: number, payload: Buffer): Promise<void> {
    const now = this.#options.clock.nowNano()
    // A clock that was set back must not break the order that readers search by.
    if (now > this.#lastNano) this.#lastNano = now
    let batch = this.#batches.at(-1)
    if (!batch || batch.records.length >= batchRecordsMax || batch.bytes >= batchBytesMax) {
      batch = { records: [], bytes: 0, done: Promise.withResolvers() }
      this.#batches.push(batch)
    }
    batch.bytes += payload.length
    batch.records.push({
      stream,
      timeNano: this.#lastNano,
      stdoutEnd: this.#stdoutEnd,
      stderrEnd: this.#stderrEnd,
      payload,
    })
    this.#pump ??= this.#drain()
    return batch.done.promise
  }

  async #drain(): Promise<void> {
    // What arrives in the same turn goes with the first write.
    await Promise.resolve()
    for (let batch = this.#batches.shift(); batch; batch = this.#batches.shift()) {
      try {
        await this.#write(batch.records)
      } catch (error) {
        this.#reportLoss(error)
      }
      batch.done.resolve()
      this.changed.notify()
    }
    this.#pump = undefined
  }

  /** As dockerd: a container whose output cannot be kept runs on. */
  #reportLoss(error: unknown): void {
    if (this.#lossReported) return
    this.#lossReported = true
    const { directory, log } = this.#options
    log.error({ directory, error: messageOf(error) }, 'output of a container cannot be written and is lost')
  }

  async #write(records: readonly RecordToWrite[]): Promise<void> {
    const { handle, secret } = await this.#writable()
    const segment = this.#segments.at(-1)!
    const mark = segment.size === segmentHeaderBytes ? midLineMark(this.#written.midLine) : undefined
    const first = mark && {
      ...this.#written,
      stream: mark,
      timeNano: records[0]!.timeNano,
      payload: noPayload,
    }
    const pieces = encode(first ? [first, ...records] : records, secret)
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    let written = 0
    try {
      while (written < bytes) {
        const { bytesWritten } = await handle.writev(after(pieces, written), segment.size + written)
        written += bytesWritten
      }
    } catch (error) {
      await handle.truncate(segment.size)
      throw error
    }
    segment.size += bytes
    this.#remember(records)
  }

  #remember(records: readonly RecordToWrite[]): void {
    const midLine = { ...this.#written.midLine }
    for (const { stream, payload } of records) {
      // A line does not go on in the next run.
      if (stream === runBegins) midLine.stdout = midLine.stderr = false
      else midLine[stream === stdoutStream ? 'stdout' : 'stderr'] = payload.at(-1) !== newline
    }
    const { stdoutEnd, stderrEnd } = records.at(-1)!
    this.#written = { stdoutEnd, stderrEnd, midLine }
  }

  async #writable(): Promise<{ handle: FileHandle; secret: number }> {
    const { directory, segmentBytesMax, segmentsMax } = this.#options
    const last = this.#segments.at(-1)
    if (last && last.size < segmentBytesMax) {
      if (!this.#file) {
        const { file, secret } = await openSegment(last)
        this.#file = { handle: file, secret: secret! }
      }
      return this.#file
    }
    const { segment, file, secret } = await createSegment(directory, (last?.number ?? 0) + 1)
    await this.#file?.handle.close()
    this.#file = { handle: file, secret }
    this.#segments = [...this.#segments, segment]
    for (const old of this.#segments.slice(0, -segmentsMax)) await rm(old.path, { force: true })
    this.#segments = this.#segments.slice(-segmentsMax)
    return this.#file
  }
}

function after(pieces: readonly Buffer[], bytes: number): Buffer[] {
  if (bytes === 0) return [...pieces]
  let skip = bytes
  return pieces.flatMap((piece) => {
    const rest = piece.subarray(Math.min(skip, piece.length))
    skip -= piece.length - rest.length
    return rest.length > 0 ? [rest] : []
  })
}
