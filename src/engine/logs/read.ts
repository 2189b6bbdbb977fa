/**
 * Reading a log at the reader's pace: what it does not pull stays on the disk. Chunks come as they were written, small
 * ones put together; lines are split only where they are asked for.
 */
import { KiB } from '../../lib/units.ts'
import type { LogChunk, LogsQuery } from '../model.ts'
import type { OutputStream } from '../ports/sandbox.ts'
import { type Block, ForwardCursor, isBefore, type Place, recordsOf } from './cursor.ts'
import {
  lengthAt,
  readMidLineMark,
  recordHeaderBytes,
  runBegins,
  stdoutStream,
  streamAt,
  timeAt,
} from './format.ts'
import { LineSplitter } from './lines.ts'
import type { LogFile } from './log-file.ts'
import type { Start } from './tail.ts'

export interface ReadOptions {
  readonly start: Start
  readonly streams: Pick<LogsQuery, 'stdout' | 'stderr'>
  readonly untilNano: bigint | null
  readonly lines: boolean
  /** Asked at the end of what there is: false to wait for more. `log.changed` must be told when its answer changes. */
  readonly ended: () => boolean
  readonly signal?: AbortSignal
}

export async function* readLog(log: LogFile, options: ReadOptions): AsyncGenerator<LogChunk> {
  const { start, signal } = options
  const cursor = new ForwardCursor(log, isBefore(start.stdout, start.stderr) ? start.stdout : start.stderr)
  const lines = options.lines
    ? { stdout: new LineSplitter('stdout'), stderr: new LineSplitter('stderr') }
    : undefined
  const wanted = new Wanted(options)
  try {
    while (!signal?.aborted && !wanted.isOver) {
      const seen = log.changed.version
      const ended = options.ended()
      const block = await cursor.next()
      if (block) yield* lines ? linesOf(block, wanted, lines) : chunksOf(block, wanted)
      else if (ended) break
      else await log.changed.wait(seen, signal)
    }
    if (lines) yield* flushAll(lines)
  } finally {
    await cursor.close()
  }
}

interface Piece {
  readonly stream: OutputStream
  readonly data: Buffer
  readonly timeNano: () => bigint
}

/** No segment has this number, nor the one after it. */
const none = -2
const newline = 10
/** Longer lines dockerd cuts as well. */
const skippedBytesMax = 16 * KiB

/** Which payloads of a block, and how much of them, the reader wants. */
class Wanted {
  /** Nothing more will be wanted: the time asked for has passed. */
  isOver = false
  readonly #options: ReadOptions
  /** Whether a stream's start lies behind: then it need not be compared. */
  readonly #passed: Record<OutputStream, boolean> = { stdout: false, stderr: false }

  constructor(options: ReadOptions) {
    this.#options = options
    const { stdout, stderr } = options.start
    const first = isBefore(stdout, stderr) ? stdout : stderr
    this.#segment = first.offset > 0 ? first.segment : none
  }

  /** The rest of the line that each stream is in, of which the beginning is gone; undefined: it is read. */
  readonly #skip: Partial<Record<OutputStream, number | undefined>> = {}
  #segment: number;

  /** null: the beginning of a run. */
  *pieces(block: Block): Generator<Piece | null> {
    yield* this.#piecesOf(block)
    this.#segment = block.segment
  }

  *#piecesOf(block: Block): Generator<Piece | null> {
    const { untilNano, streams } = this.#options
    const { buffer } = block
    for (const at of recordsOf(block)) {
      if (untilNano !== null && timeAt(buffer, at) > untilNano) {
        this.isOver = true
        return
      }
      const number = streamAt(buffer, at)
      if (number === runBegins) {
        this.#skip.stdout = this.#skip.stderr = undefined
        yield null
        continue
      }
      const midLine = readMidLineMark(number)
      if (midLine) {
        this.#begin(block, midLine)
        continue
      }
      const stream = number === stdoutStream ? 'stdout' : 'stderr'
      if (!streams[stream]) continue
      const end = at + recordHeaderBytes + lengthAt(buffer, at)
      const from = this.#pastLine(
        stream,
        buffer,
        at + recordHeaderBytes + this.#skipped(stream, block, at),
        end,
      )
      if (from < end) yield { stream, data: buffer.subarray(from, end), timeNano: () => timeAt(buffer, at) }
    }
  }

  /** A segment that begins within a line: where the one before was not read, that line's beginning is gone. */
  #begin({ segment }: Block, midLine: Readonly<Record<OutputStream, boolean>>): void {
    if (segment === this.#segment + 1) return
    for (const stream of ['stdout', 'stderr'] as const) {
      if (midLine[stream]) this.#skip[stream] = skippedBytesMax
    }
  }

  #pastLine(stream: OutputStream, buffer: Buffer, from: number, end: number): number {
    const most = this.#skip[stream]
    if (most === undefined || from >= end) return from
    const newlineAt = buffer.subarray(from, end).indexOf(newline)
    const length = newlineAt < 0 ? end - from : newlineAt + 1
    this.#skip[stream] = newlineAt >= 0 || length >= most ? undefined : most - length
    return from + Math.min(length, most)
  }

  #skipped(stream: OutputStream, block: Block, at: number): number {
    if (this.#passed[stream]) return 0
    const start = this.#options.start[stream]
    const here: Place = { segment: block.segment, offset: block.start + at, byte: 0 }
    if (here.segment === start.segment && here.offset === start.offset) return start.byte
    if (isBefore(here, start)) return Number.POSITIVE_INFINITY
    this.#passed[stream] = true
    return 0
  }
}

/** Pieces smaller than this are moved together, over the headers between them, up to the larger bound. */
const smallPieceBytes = 8 * KiB
const mergedBytesMax = 64 * KiB

interface Merge {
  readonly stream: OutputStream
  readonly timeNano: bigint
  readonly from: number
  end: number
}

function* chunksOf(block: Block, wanted: Wanted): Generator<LogChunk> {
  const { buffer } = block
  const chunk = ({ stream, timeNano, from, end }: Merge): LogChunk => ({
    stream,
    timeNano,
    data: buffer.subarray(from, end),
  })
  let merge: Merge | undefined
  for (const piece of wanted.pieces(block)) {
    if (!piece) continue
    const { stream, data } = piece
    const from = data.byteOffset - buffer.byteOffset
    const fits = merge?.stream === stream && merge.end - merge.from + data.length <= mergedBytesMax
    if (merge && fits && data.length <= smallPieceBytes) {
      buffer.copyWithin(merge.end, from, from + data.length)
      merge.end += data.length
      continue
    }
    if (merge) yield chunk(merge)
    merge = { stream, timeNano: piece.timeNano(), from, end: from + data.length }
  }
  if (merge) yield chunk(merge)
}

type Splitters = Readonly<Record<OutputStream, LineSplitter>>

function* linesOf(block: Block, wanted: Wanted, lines: Splitters): Generator<LogChunk> {
  for (const piece of wanted.pieces(block)) {
    if (piece) yield* lines[piece.stream].feed(piece.data, piece.timeNano())
    // A line does not go on in the next run.
    else yield* flushAll(lines)
  }
}

function* flushAll(lines: Splitters): Generator<LogChunk> {
  yield* lines.stdout.flush()
  yield* lines.stderr.flush()
}
