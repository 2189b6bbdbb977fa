/**
 * What becomes of a container's output, by its log driver. `json-file` and `local` are the same file of ours, with
 * Docker's defaults for how much is kept; with `none` output goes to whoever is attached, or nowhere.
 */
import { rm } from 'node:fs/promises'
import { invalid, notImplemented } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { KiB, MiB } from '../../lib/units.ts'
import type { Clock } from '../clock.ts'
import type { LogChunk, LogConfig, LogsQuery } from '../model.ts'
import type { OutputStream } from '../ports/sandbox.ts'
import { LogFile } from './log-file.ts'
import { Pipe } from './pipe.ts'
import { readLog } from './read.ts'
import { findStart, theBeginning } from './tail.ts'

export interface OutputReader {
  readonly output: AsyncIterable<LogChunk>
  close(): void
}

export interface ContainerLog {
  /** How much of the present run's output is safe. */
  offsets(): Promise<{ stdout: number; stderr: number }>
  beginRun(): Promise<void>
  append(stream: OutputStream, chunk: Buffer, offset: number): void | Promise<void>
  /** Nothing will be appended for a while; readers ask again whether that is all. */
  endRun(): Promise<void>
  /** Readers ask again. */
  poke(): void
  /** From now on, or from the beginning; `ended` is asked whenever the reader has had all there is. */
  attach(
    streams: Pick<LogsQuery, 'stdout' | 'stderr'>,
    fromBeginning: boolean,
    ended: () => boolean,
  ): Promise<OutputReader>
  /** Throws kind `not_implemented`, in dockerd's words, where nothing is kept. */
  read(query: LogsQuery, ended: () => boolean, signal: AbortSignal): Promise<AsyncIterable<LogChunk>>
  remove(): Promise<void>
}

interface Limits {
  readonly segmentBytesMax: number
  readonly segmentsMax: number
}

/** Smaller segments would cost more in files than they save. */
const segmentBytesMin = 16 * KiB
const defaults: Readonly<Record<'json-file' | 'local', Limits>> = {
  'json-file': { segmentBytesMax: Number.POSITIVE_INFINITY, segmentsMax: 1 },
  local: { segmentBytesMax: 20 * MiB, segmentsMax: 5 },
}

export function createContainerLog(
  config: LogConfig,
  options: { readonly directory: string; readonly clock: Clock; readonly log: Log },
): ContainerLog {
  return config.driver === 'none'
    ? new UnkeptLog(options.clock)
    : new KeptLog(() => LogFile.open({ ...options, ...limitsOf(config) }), options.directory)
}

/** Throws kind `invalid`, code `bad_log_option`. */
export function limitsOf({ driver, options }: LogConfig): Limits {
  if (driver === 'none') return { segmentBytesMax: 0, segmentsMax: 0 }
  const { 'max-size': size, 'max-file': files } = options
  const limits = defaults[driver]
  const segmentsMax = files === undefined ? limits.segmentsMax : count(files)
  const segmentBytesMax = size === undefined ? limits.segmentBytesMax : bytes(size)
  // With max-file 1 Docker empties the file; ours keeps the one before too, so that what was just said can be read.
  return {
    segmentBytesMax: Math.max(segmentBytesMin, segmentBytesMax),
    segmentsMax: Math.max(2, segmentsMax),
  }
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1_000) {
    throw invalid('bad_log_option', `log option max-file=${text} must be a number from 1 to 1000`)
  }
  return value
}

function bytes(text: string): number {
  const parts = /^(-1)$|^(\d{1,12})([kmg]?)(?:i?b)?$/i.exec(text)
  if (!parts) throw invalid('bad_log_option', `log option max-size=${text} must be a size such as 10m`)
  if (parts[1]) return Number.POSITIVE_INFINITY
  return Number(parts[2]) * KiB ** ' kmg'.indexOf(parts[3]?.toLowerCase() || ' ')
}

class KeptLog implements ContainerLog {
  readonly #open: () => Promise<LogFile>
  readonly #directory: string
  #opened: Promise<LogFile> | undefined
  #file: LogFile | undefined

  constructor(open: () => Promise<LogFile>, directory: string) {
    this.#open = open
    this.#directory = directory
  }

  async offsets(): Promise<{ stdout: number; stderr: number }> {
    return (await this.#log()).offsets
  }

  async beginRun(): Promise<void> {
    await (await this.#log()).beginRun()
  }

  append(stream: OutputStream, chunk: Buffer, offset: number): void | Promise<void> {
    if (this.#file) return this.#file.append(stream, chunk, offset)
    return this.#log().then((file) => file.append(stream, chunk, offset))
  }

  async endRun(): Promise<void> {
    await this.#file?.rest()
    this.poke()
  }

  poke(): void {
    this.#file?.changed.notify()
  }

  async attach(
    streams: Pick<LogsQuery, 'stdout' | 'stderr'>,
    fromBeginning: boolean,
    ended: () => boolean,
  ): Promise<OutputReader> {
    const file = await this.#log()
    const here = { ...file.end, byte: 0 }
    const start = fromBeginning ? theBeginning : { stdout: here, stderr: here }
    const gone = new AbortController()
    const reader = file.addReader()
    const close = () => {
      reader[Symbol.dispose]()
      gone.abort()
    }
    const reading = readLog(file, {
      start,
      streams,
      untilNano: null,
      lines: false,
      ended,
      signal: gone.signal,
    })
    return { output: untilDone(reading, close), close }
  }

  async read(query: LogsQuery, ended: () => boolean, signal: AbortSignal): Promise<AsyncIterable<LogChunk>> {
    const file = await this.#log()
    const reader = file.addReader()
    const close = () => reader[Symbol.dispose]()
    signal.addEventListener('abort', close, { once: true })
    try {
      const start = await findStart(file, query)
      const { untilNano, lines } = query
      return untilDone(readLog(file, { start, streams: query, untilNano, lines, ended, signal }), close)
    } catch (error) {
      close()
      throw error
    }
  }

  async remove(): Promise<void> {
    await this.#file?.rest()
    await this.#file?.readersGone()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #log(): Promise<LogFile> {
    this.#opened ??= this.#open()
    try {
      this.#file = await this.#opened
      return this.#file
    } catch (error) {
      this.#opened = undefined
      throw error
    }
  }
}

class UnkeptLog implements ContainerLog {
  readonly #clock: Clock
  readonly #readers = new Set<{
    pipe: Pipe
    streams: Pick<LogsQuery, 'stdout' | 'stderr'>
    ended: () => boolean
  }>()
  #offsets = { stdout: 0, stderr: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async offsets(): Promise<{ stdout: number; stderr: number }> {
    return this.#offsets
  }

  async beginRun(): Promise<void> {
    this.#offsets = { stdout: 0, stderr: 0 }
  }

  append(stream: OutputStream, data: Buffer, offset: number): void | Promise<void> {
    this.#offsets[stream] = offset + data.length
    const chunk = { stream, timeNano: this.#clock.nowNano(), data }
    const readers = [...this.#readers].filter(({ streams }) => streams[stream])
    if (readers.length === 0) return
    return Promise.all(readers.map(({ pipe }) => pipe.write(chunk))).then(() => {})
  }

  async endRun(): Promise<void> {
    this.poke()
  }

  poke(): void {
    for (const { pipe, ended } of this.#readers) if (ended()) pipe.end()
  }

  async attach(
    streams: Pick<LogsQuery, 'stdout' | 'stderr'>,
    _fromBeginning: boolean,
    ended: () => boolean,
  ): Promise<OutputReader> {
    const reader = { pipe: new Pipe(), streams, ended }
    const readers = this.#readers
    readers.add(reader)
    if (ended()) reader.pipe.end()
    const close = () => {
      readers.delete(reader)
      reader.pipe.close()
    }
    return { output: untilDone(reader.pipe, close), close }
  }

  async read(): Promise<AsyncIterable<LogChunk>> {
    throw notImplemented('logs_not_kept', 'configured logging driver does not support reading')
  }

  async remove(): Promise<void> {}
}

async function* untilDone(chunks: AsyncIterable<LogChunk>, done: () => void): AsyncGenerator<LogChunk> {
  try {
    yield* chunks
  } finally {
    done()
  }
}
