/**
 * Files with holes. Four ways to write them: GNU's old header, and three of PAX.
 *
 *     old   type S; four pieces in the header, 21 in each block that follows
 *     0.0   GNU.sparse.offset and GNU.sparse.numbytes, repeated for each piece
 *     0.1   GNU.sparse.map=offset,bytes,offset,bytes
 *     1.0   the map is text at the start of the data: count, then offset and bytes of each, a line each, padded to a block
 */

import { badTar, blockBytes, number, sizeNumber } from './header.ts'
import { sparseSegmentsMax } from './limits.ts'
import { type PaxRecord, paxInteger } from './pax.ts'

export interface Segment {
  readonly offset: number
  readonly bytes: number
}

export interface SparseLayout {
  readonly segments: readonly Segment[]
  /** With its holes. */
  readonly realSize: number
}

/** The map of a PAX sparse file, or that it comes with the data. */
export type PaxSparse = { readonly realSize: number; readonly segments: Segment[] | 'in-data' }

const bad = () => badTar('invalid sparse file')

/** Rejects maps that are unordered, overlap, pass the end, or do not add up to the bytes that are there. */
export function checkLayout(layout: SparseLayout, storedBytes: number): SparseLayout {
  let end = 0
  let bytes = 0
  for (const segment of layout.segments) {
    if (segment.offset < end) throw bad()
    end = segment.offset + segment.bytes
    bytes += segment.bytes
    if (!Number.isSafeInteger(end) || end > layout.realSize) throw bad()
  }
  if (bytes !== storedBytes) throw bad()
  return layout
}

export function paxSparse(records: readonly PaxRecord[]): PaxSparse | null {
  const last = (key: string) => records.findLast((record) => record.key === key)
  const size = last('GNU.sparse.realsize') ?? last('GNU.sparse.size')
  if (!size) return null
  const realSize = paxInteger(size)
  const major = last('GNU.sparse.major')
  if (major && paxInteger(major) === 1) return { realSize, segments: 'in-data' }
  const map = last('GNU.sparse.map')
  const numbers = map
    ? map.value.length === 0
      ? []
      : map.value.toString('latin1').split(',').map(decimal)
    : records
        .filter(({ key }) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
        .map((record, i) => {
          if ((record.key === 'GNU.sparse.offset') !== (i % 2 === 0)) throw bad()
          return paxInteger(record)
        })
  return { realSize, segments: pairs(numbers) }
}

/** Pieces in an old GNU header or one of the blocks after it, and whether another block follows. */
export function oldSparse(
  block: Buffer,
  where: 'header' | 'extension',
): { segments: Segment[]; more: boolean } {
  const [start, count, flag] = where === 'header' ? [386, 4, 482] : [0, 21, 504]
  const segments: Segment[] = []
  for (let i = 0; i < count; i++) {
    const at = start + i * 24
    if (block[at] === 0) break
    segments.push({
      offset: sizeNumber(number(block, at, 12, 'offset'), 'offset'),
      bytes: sizeNumber(number(block, at + 12, 12, 'numbytes'), 'numbytes'),
    })
  }
  return { segments, more: block[flag] !== 0 }
}

export const oldSparseRealSize = (block: Buffer): number =>
  sizeNumber(number(block, 483, 12, 'realsize'), 'realsize')

/** Reads the map of version 1.0 block by block; `done` when whole. */
export class MapInData {
  #text = ''
  #numbers: number[] = []
  #wanted: number | null = null
  bytes = 0

  push(block: Buffer): { done: boolean; segments: Segment[] } {
    this.bytes += blockBytes
    const lines = (this.#text + block.toString('latin1')).split('\n')
    this.#text = lines.pop()!
    for (const line of lines) {
      if (this.#wanted !== null && this.#numbers.length === this.#wanted) break
      const value = decimal(line)
      if (this.#wanted !== null) this.#numbers.push(value)
      else if (value > sparseSegmentsMax) throw bad()
      else this.#wanted = value * 2
    }
    const done = this.#wanted !== null && this.#numbers.length === this.#wanted
    // A number has at most 16 digits: more without a line's end is no map.
    if (!done && this.#text.length > 20) throw bad()
    return { done, segments: done ? pairs(this.#numbers) : [] }
  }
}

/** Gives the stored bytes of a file to the pieces they belong to, with the holes before, between and after them. */
export class FileData {
  readonly #layout: SparseLayout
  readonly #sink: { data(chunk: Buffer): void; hole(bytes: number): void }
  #segment = 0
  #inSegment = 0
  #position = 0

  constructor(layout: SparseLayout, sink: { data(chunk: Buffer): void; hole(bytes: number): void }) {
    this.#layout = layout
    this.#sink = sink
  }

  push(piece: Buffer): void {
    let at = 0
    while (at < piece.length) {
      const segment = this.#layout.segments[this.#segment]!
      this.#holeUntil(segment.offset)
      const take = Math.min(segment.bytes - this.#inSegment, piece.length - at)
      if (take > 0) this.#sink.data(piece.subarray(at, at + take))
      at += take
      this.#position += take
      this.#inSegment += take
      if (this.#inSegment === segment.bytes) {
        this.#segment++
        this.#inSegment = 0
      }
    }
  }

  end(): void {
    this.#holeUntil(this.#layout.realSize)
  }

  #holeUntil(offset: number): void {
    if (offset <= this.#position) return
    this.#sink.hole(offset - this.#position)
    this.#position = offset
  }
}

function decimal(text: string): number {
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw bad()
  return Number(text)
}

function pairs(numbers: readonly number[]): Segment[] {
  if (numbers.length % 2 !== 0 || numbers.length / 2 > sparseSegmentsMax) throw bad()
  const segments: Segment[] = []
  for (let i = 0; i < numbers.length; i += 2) segments.push({ offset: numbers[i]!, bytes: numbers[i + 1]! })
  return segments
}
