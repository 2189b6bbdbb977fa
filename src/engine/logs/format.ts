/**
 * A container's output on disk: segments of records, appended only, readable in both directions.
 *
 *     segment:  "HBLOG001" | secret 8 B | record | record | …
 *
 *     record:   0        4        8          16          24          32      36          36+length
 *               +--------+--------+----------+-----------+-----------+-------+-----------+--------+
 *               | length | stream | timeNano | stdoutEnd | stderrEnd | check | payload…  | length |
 *               | u32    | u8 + 0 | u64      | u64       | u64       | u32   | length B  | u32    |
 *               +--------+--------+----------+-----------+-----------+-------+-----------+--------+
 *
 * Little-endian. `stream` 1 stdout, 2 stderr, 0 the beginning of a run (no payload); 5, 6 and 7, without a payload and only as
 * the first of a segment, say that stdout (+1) and stderr (+2) are in the middle of a line there: who has not read the
 * segment before must skip the rest of it. `stdoutEnd` and `stderrEnd` say how far the
 * streams of the run have come with this record, so the last record alone tells the next daemon where to go on. `check` is
 * the CRC-32 of what is before it, seeded with the segment's secret: a container cannot write what would pass for a record.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { KiB } from '../../lib/units.ts'

const magic = Buffer.from('HBLOG001')
export const segmentHeaderBytes = 16
export const recordHeaderBytes = 36
const recordTrailerBytes = 4
export const recordOverheadBytes = recordHeaderBytes + recordTrailerBytes
/** Twice what the guest sends at once; a reader's block must hold a whole record. */
export const payloadBytesMax = 128 * KiB
export const recordBytesMax = payloadBytesMax + recordOverheadBytes

export const runBegins = 0
export const stdoutStream = 1
export const stderrStream = 2

const midLine = 4

/** What to write first in a segment; undefined: nothing. */
export function midLineMark(within: {
  readonly stdout: boolean
  readonly stderr: boolean
}): number | undefined {
  const streams = (within.stdout ? stdoutStream : 0) + (within.stderr ? stderrStream : 0)
  return streams === 0 ? undefined : midLine + streams
}

/** undefined: this is no such mark. */
export function readMidLineMark(stream: number): { stdout: boolean; stderr: boolean } | undefined {
  if (stream <= midLine || stream > midLine + stdoutStream + stderrStream) return undefined
  return { stdout: (stream & stdoutStream) !== 0, stderr: (stream & stderrStream) !== 0 }
}

export interface RecordToWrite {
  readonly stream: number
  readonly timeNano: bigint
  readonly stdoutEnd: number
  readonly stderrEnd: number
  readonly payload: Buffer
}

export function newSegmentHeader(): Buffer {
  return Buffer.concat([magic, randomBytes(segmentHeaderBytes - magic.length)])
}

/** The secret of a segment, from its header; undefined when this is no segment. */
export function secretOf(header: Buffer): number | undefined {
  if (header.length < segmentHeaderBytes || !header.subarray(0, magic.length).equals(magic)) return undefined
  return crc32(header.subarray(magic.length, segmentHeaderBytes))
}

/** Below this a payload is copied beside its header: cheaper than one more piece for the kernel to gather. */
const copiedBytesMax = 4 * KiB

/** The records as pieces to be written one after another; large payloads are not copied. */
export function encode(records: readonly RecordToWrite[], secret: number): Buffer[] {
  const copied = (record: RecordToWrite) => record.payload.length <= copiedBytesMax
  const bytes = records.reduce((sum, r) => sum + recordOverheadBytes + (copied(r) ? r.payload.length : 0), 0)
  const slab = Buffer.allocUnsafe(bytes)
  const pieces: Buffer[] = []
  let from = 0
  let at = 0
  for (const record of records) {
    writeHeader(slab, at, record, secret)
    at += recordHeaderBytes
    if (copied(record)) at += record.payload.copy(slab, at)
    else {
      pieces.push(slab.subarray(from, at), record.payload)
      from = at
    }
    at = slab.writeUInt32LE(record.payload.length, at)
  }
  pieces.push(slab.subarray(from, at))
  return pieces
}

function writeHeader(slab: Buffer, at: number, record: RecordToWrite, secret: number): void {
  slab.writeUInt32LE(record.payload.length, at)
  slab.writeUInt32LE(record.stream, at + 4)
  slab.writeBigUInt64LE(record.timeNano, at + 8)
  writeU64(slab, record.stdoutEnd, at + 16)
  writeU64(slab, record.stderrEnd, at + 24)
  slab.writeUInt32LE(crc32(slab.subarray(at, at + 32), secret), at + 32)
}

/** Whether a record that was written whole begins at `at`; the block must reach to its end. */
export function isRecord(block: Buffer, at: number, secret: number): boolean {
  if (at < 0 || at + recordOverheadBytes > block.length) return false
  const length = block.readUInt32LE(at)
  const end = at + recordOverheadBytes + length
  return (
    length <= payloadBytesMax &&
    end <= block.length &&
    block.readUInt32LE(end - recordTrailerBytes) === length &&
    block.readUInt32LE(at + 32) === crc32(block.subarray(at, at + 32), secret)
  )
}

export const lengthAt = (block: Buffer, at: number): number => block.readUInt32LE(at)
export const streamAt = (block: Buffer, at: number): number => block[at + 4]!
export const timeAt = (block: Buffer, at: number): bigint => block.readBigUInt64LE(at + 8)
export const stdoutEndAt = (block: Buffer, at: number): number => readU64(block, at + 16)
export const stderrEndAt = (block: Buffer, at: number): number => readU64(block, at + 24)

/** Exact to 2^53 - 1 bytes of output: centuries. */
function writeU64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value % 2 ** 32, at)
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32
}
