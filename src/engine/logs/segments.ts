/** The files of a container's log: `output.N.log`, N growing; the last one is written to. */
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { KiB } from '../../lib/units.ts'
import {
  isRecord,
  lengthAt,
  newSegmentHeader,
  recordBytesMax,
  recordHeaderBytes,
  recordOverheadBytes,
  secretOf,
  segmentHeaderBytes,
  stderrEndAt,
  stdoutEndAt,
  stdoutStream,
  streamAt,
  timeAt,
} from './format.ts'

export interface Segment {
  readonly number: number
  readonly path: string
  /** Bytes that readers may read: whole records only. Grows while it is the last one. */
  size: number
}

/** Where the last record leaves off. */
export interface LogEnd {
  readonly stdoutEnd: number
  readonly stderrEnd: number
  readonly timeNano: bigint
  /** The stream of it, when that is in the middle of a line. */
  readonly midLine: 'stdout' | 'stderr' | null
}

const newline = 10
const blockBytes = 256 * KiB

export async function listSegments(directory: string): Promise<Segment[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const numbers = names
    .map((name) => /^output\.(\d{1,15})\.log$/.exec(name)?.[1])
    .filter((n) => n !== undefined)
  const segments = numbers.map(async (n) => {
    const path = join(directory, `output.${n}.log`)
    return { number: Number(n), path, size: (await stat(path)).size }
  })
  return (await Promise.all(segments)).sort((a, b) => a.number - b.number)
}

export async function createSegment(
  directory: string,
  number: number,
): Promise<{ segment: Segment; file: FileHandle; secret: number }> {
  const path = join(directory, `output.${number}.log`)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const header = newSegmentHeader()
  const file = await open(path, 'wx', 0o600)
  try {
    await file.write(header, 0, header.length, 0)
  } catch (error) {
    await file.close()
    await rm(path, { force: true })
    throw error
  }
  return { segment: { number, path, size: segmentHeaderBytes }, file, secret: secretOf(header)! }
}

export async function openSegment(
  segment: Segment,
): Promise<{ file: FileHandle; secret: number | undefined }> {
  const file = await open(segment.path, 'r+')
  const header = Buffer.alloc(segmentHeaderBytes)
  const { bytesRead } = await file.read(header, 0, header.length, 0)
  return { file, secret: secretOf(header.subarray(0, bytesRead)) }
}

/**
 * Cuts off what a killed writer left half written, and says where the last whole record leaves off; undefined when there
 * is none. A file that is no segment at all becomes an empty one.
 */
export async function recoverSegment(segment: Segment): Promise<LogEnd | undefined> {
  const { file, secret } = await openSegment(segment)
  await using _ = file
  if (secret === undefined) {
    const header = newSegmentHeader()
    await file.truncate(0)
    await file.write(header, 0, header.length, 0)
    segment.size = segmentHeaderBytes
    return undefined
  }
  const last = (await lastRecord(file, segment.size, secret)) ?? (await scan(file, segment.size, secret))
  const end = last ? last.at + recordOverheadBytes + last.length : segmentHeaderBytes
  if (end < segment.size) await file.truncate(end)
  segment.size = end
  return last?.end
}

interface Found {
  readonly at: number
  readonly length: number
  readonly end: LogEnd
}

function found(block: Buffer, at: number, base: number): Found {
  return {
    at: base + at,
    length: lengthAt(block, at),
    end: {
      stdoutEnd: stdoutEndAt(block, at),
      stderrEnd: stderrEndAt(block, at),
      timeNano: timeAt(block, at),
      midLine: midLineOf(block, at),
    },
  }
}

function midLineOf(block: Buffer, at: number): LogEnd['midLine'] {
  const length = lengthAt(block, at)
  if (length === 0 || block[at + recordHeaderBytes + length - 1] === newline) return null
  return streamAt(block, at) === stdoutStream ? 'stdout' : 'stderr'
}

/** By the length behind the last record: the rule, when nothing is torn. */
async function lastRecord(file: FileHandle, size: number, secret: number): Promise<Found | undefined> {
  const base = Math.max(segmentHeaderBytes, size - recordBytesMax)
  const block = await readBlock(file, base, size - base)
  if (block.length < recordOverheadBytes) return undefined
  const at = block.length - recordOverheadBytes - block.readUInt32LE(block.length - 4)
  return isRecord(block, at, secret) ? found(block, at, base) : undefined
}

/** From the beginning, to the first thing that is no record. */
async function scan(file: FileHandle, size: number, secret: number): Promise<Found | undefined> {
  let base = segmentHeaderBytes
  let last: Found | undefined
  while (base < size) {
    const block = await readBlock(file, base, Math.min(blockBytes, size - base))
    let at = 0
    while (isRecord(block, at, secret)) {
      last = found(block, at, base)
      at += recordOverheadBytes + last.length
    }
    if (at === 0) break
    base += at
  }
  return last
}

export async function readBlock(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const block = Buffer.allocUnsafeSlow(Math.max(0, length))
  let filled = 0
  while (filled < block.length) {
    const { bytesRead } = await file.read(block, filled, block.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return block.subarray(0, filled)
}
