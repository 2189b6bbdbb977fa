/** Blocks of whole records, forwards from a place to the end of what is written, or backwards from there. */
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { internal } from '../../lib/errors.ts'
import { KiB } from '../../lib/units.ts'
import {
  lengthAt,
  payloadBytesMax,
  recordBytesMax,
  recordHeaderBytes,
  recordOverheadBytes,
  segmentHeaderBytes,
} from './format.ts'
import type { LogFile } from './log-file.ts'
import { readBlock, type Segment } from './segments.ts'

/** A record by where it begins; `byte` counts within its payload. */
export interface Place {
  readonly segment: number
  readonly offset: number
  readonly byte: number
}

export function isBefore(a: Place, b: Place): boolean {
  if (a.segment !== b.segment) return a.segment < b.segment
  if (a.offset !== b.offset) return a.offset < b.offset
  return a.byte < b.byte
}

/** Records one behind the other, the first at `start` of its segment. The buffer is the receiver's own. */
export interface Block {
  readonly segment: number
  readonly start: number
  readonly buffer: Buffer
}

const blockBytes = 512 * KiB
/** The first block after a wait is small: little has been written since. */
const firstBlockBytes = recordBytesMax

export class ForwardCursor {
  readonly #log: LogFile
  #segment: Segment | undefined
  #file: FileHandle | undefined
  #from: { segment: number; offset: number }
  #ask = firstBlockBytes

  constructor(log: LogFile, from: { segment: number; offset: number }) {
    this.#log = log
    this.#from = from
  }

  /** null: nothing more for now. */
  async next(): Promise<Block | null> {
    for (;;) {
      const segment = this.#segment ?? (await this.#enter())
      if (!segment) return null
      const start = Math.max(this.#from.offset, segmentHeaderBytes)
      const available = segment.size - start
      if (available > 0) return this.#read(segment, start, available)
      this.#ask = firstBlockBytes
      // The end of the last segment is only the end for now.
      if (segment === this.#log.segments.at(-1)) return null
      await this.#leave(segment.number + 1)
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  /** Into the segment asked for, or the first after it that is still there. */
  async #enter(): Promise<Segment | undefined> {
    for (;;) {
      const segment = this.#log.segments.find(({ number }) => number >= this.#from.segment)
      if (!segment) return undefined
      if (segment.number !== this.#from.segment) this.#from = { segment: segment.number, offset: 0 }
      try {
        this.#file = await open(segment.path, 'r')
        this.#segment = segment
        return segment
      } catch (error) {
        // Removed by a rotation a moment ago: then the list has changed.
        if (this.#log.segments.includes(segment)) throw error
      }
    }
  }

  async #leave(next: number): Promise<void> {
    await this.close()
    this.#segment = undefined
    this.#from = { segment: next, offset: 0 }
  }

  async #read(segment: Segment, start: number, available: number): Promise<Block> {
    const buffer = await readBlock(this.#file!, start, Math.min(available, this.#ask))
    this.#ask = blockBytes
    let end = 0
    while (end + recordHeaderBytes <= buffer.length) {
      const next = end + recordOverheadBytes + checkedLength(buffer, end, segment)
      if (next > buffer.length) break
      end = next
    }
    if (end === 0) throw corrupt(segment, start)
    this.#from = { segment: segment.number, offset: start + end }
    return { segment: segment.number, start, buffer: buffer.subarray(0, end) }
  }
}

export class BackwardCursor {
  readonly #log: LogFile
  #segments: Segment[]
  #file: FileHandle | undefined
  #end = 0

  constructor(log: LogFile) {
    this.#log = log
    this.#segments = [...log.segments]
    this.#end = this.#segments.at(-1)?.size ?? 0
  }

  /** null: that was the beginning. */
  async next(): Promise<Block | null> {
    for (;;) {
      const segment = this.#segments.at(-1)
      if (!segment) return null
      if (this.#end > segmentHeaderBytes) {
        const block = await this.#read(segment)
        if (block) return block
      }
      await this.close()
      this.#segments.pop()
      this.#end = this.#segments.at(-1)?.size ?? 0
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #read(segment: Segment): Promise<Block | null> {
    try {
      this.#file ??= await open(segment.path, 'r')
    } catch (error) {
      if (this.#log.segments.includes(segment)) throw error
      return null
    }
    const base = Math.max(segmentHeaderBytes, this.#end - blockBytes)
    const buffer = await readBlock(this.#file, base, this.#end - base)
    let start = buffer.length
    while (start >= recordOverheadBytes) {
      const before = start - recordOverheadBytes - buffer.readUInt32LE(start - 4)
      if (before < 0) break
      if (lengthAt(buffer, before) !== buffer.readUInt32LE(start - 4)) throw corrupt(segment, base + before)
      start = before
    }
    if (start === buffer.length) throw corrupt(segment, base)
    this.#end = base + start
    return { segment: segment.number, start: base + start, buffer: buffer.subarray(start) }
  }
}

function checkedLength(buffer: Buffer, at: number, segment: Segment): number {
  const length = lengthAt(buffer, at)
  if (length > payloadBytesMax) throw corrupt(segment, at)
  return length
}

function corrupt(segment: Segment, offset: number) {
  return internal(
    'log_corrupt',
    `the log ${segment.path} is damaged near byte ${offset}; what comes before it can be read`,
  )
}

/** Where the records of a block begin, in order. The receiver may overwrite a record once it has had it. */
export function* recordsOf({ buffer }: Block): Generator<number> {
  for (let at = 0; at < buffer.length; ) {
    const next = at + recordOverheadBytes + lengthAt(buffer, at)
    yield at
    at = next
  }
}

/** The same from the last to the first. */
export function* recordsBackwards({ buffer }: Block): Generator<number> {
  for (let end = buffer.length; end > 0; ) {
    end -= recordOverheadBytes + buffer.readUInt32LE(end - 4)
    yield end
  }
}
