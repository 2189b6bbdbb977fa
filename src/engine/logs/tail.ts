/**
 * Where to begin reading so that the last N lines come, or what was said since a time: found from the end, so the cost
 * is that of what will be read and not of the log.
 */
import { MiB } from '../../lib/units.ts'
import type { LogsQuery } from '../model.ts'
import type { OutputStream } from '../ports/sandbox.ts'
import { BackwardCursor, type Place, recordsBackwards } from './cursor.ts'
import { lengthAt, recordHeaderBytes, runBegins, stdoutStream, streamAt, timeAt } from './format.ts'
import type { LogFile } from './log-file.ts'

/** For each stream the first byte that counts. */
export type Start = Readonly<Record<OutputStream, Place>>

export const theBeginning: Start = {
  stdout: { segment: 0, offset: 0, byte: 0 },
  stderr: { segment: 0, offset: 0, byte: 0 },
}

/** When one stream's line began long before the last line of the other, its beginning is given up after so much. */
const searchBytesMax = MiB
const newline = 10

type StartQuery = Pick<LogsQuery, 'stdout' | 'stderr' | 'tail' | 'sinceNano'>

export async function findStart(log: LogFile, query: StartQuery): Promise<Start> {
  if (query.tail === 'all' && query.sinceNano === null) return theBeginning
  const { end } = log
  const lines = new LineCount(query, { ...end, byte: 0 })
  if (query.tail === 0) return lines.start(undefined)
  const cursor = new BackwardCursor(log)
  try {
    for (let block = await cursor.next(); block; block = await cursor.next()) {
      const { buffer, segment, start } = block
      for (const at of recordsBackwards(block)) {
        const place = { segment, offset: start + at, byte: 0 }
        if (query.sinceNano !== null && timeAt(buffer, at) < query.sinceNano) {
          return lines.start({ ...place, byte: Number.POSITIVE_INFINITY })
        }
        const from = at + recordHeaderBytes
        if (lines.add(streamAt(buffer, at), buffer.subarray(from, from + lengthAt(buffer, at)), place)) {
          return lines.start(place)
        }
      }
    }
    return lines.start(theBeginning.stdout)
  } finally {
    await cursor.close()
  }
}

interface StreamState {
  /** What comes next, going backwards, is the last thing the stream said: a line even without its newline. */
  atEnd: boolean
  /** A line was counted whose beginning has not been seen. */
  inLine: boolean
  from: Place | undefined
}

/**
 * Counts ends of lines of both streams, backwards. The line whose end would be one too many marks where its stream
 * begins; a line of the other stream that is in the air there is followed to its own beginning.
 */
class LineCount {
  readonly #states: Partial<Record<OutputStream, StreamState>> = {}
  readonly #linesMax: number
  readonly #end: Place
  #lines = 0
  #bytesBeyond = 0

  constructor(query: StartQuery, end: Place) {
    this.#linesMax = query.tail === 'all' ? Number.POSITIVE_INFINITY : query.tail
    this.#end = end
    for (const stream of ['stdout', 'stderr'] as const) {
      if (query[stream]) this.#states[stream] = { atEnd: true, inLine: false, from: undefined }
    }
  }

  /** Takes the record before those it has had; true: no more is needed. */
  add(stream: number, payload: Buffer, place: Place): boolean {
    if (stream === runBegins) {
      if (this.#lines >= this.#linesMax) {
        this.#settle({ ...place, byte: Number.POSITIVE_INFINITY }, () => true)
        return true
      }
      for (const state of Object.values(this.#states)) Object.assign(state, { atEnd: true, inLine: false })
      return false
    }
    const state = this.#states[stream === stdoutStream ? 'stdout' : 'stderr']
    if (!state || state.from || payload.length === 0) return this.#done(payload.length)
    if (state.atEnd) {
      state.atEnd = false
      if (payload.at(-1) !== newline) this.#lineEnd(state, { ...place, byte: payload.length })
    }
    for (let at = payload.length; at > 0 && !state.from; ) {
      at = payload.lastIndexOf(newline, at - 1)
      if (at < 0) break
      this.#lineEnd(state, { ...place, byte: at + 1 })
    }
    return this.#done(payload.length)
  }

  #lineEnd(state: StreamState, after: Place): void {
    if (this.#lines < this.#linesMax) {
      this.#lines++
      state.inLine = true
      return
    }
    state.from = after
    this.#settle(after, (other) => !other.inLine)
  }

  #settle(from: Place, which: (state: StreamState) => boolean): void {
    for (const state of Object.values(this.#states)) {
      if (!state.from && which(state)) state.from = from
    }
  }

  #done(bytes: number): boolean {
    const states = Object.values(this.#states)
    const found = states.filter((state) => state.from)
    if (found.length > 0) this.#bytesBeyond += bytes
    return found.length === states.length || this.#bytesBeyond > searchBytesMax
  }

  /** `rest`: from where a stream counts whose beginning was not found; undefined: from the end. */
  start(rest: Place | undefined): Start {
    const of = (stream: OutputStream) => this.#states[stream]?.from ?? rest ?? this.#end
    return { stdout: of('stdout'), stderr: of('stderr') }
  }
}
