/** Files that are mostly holes: read once as what is in them, written again many times in a few calls. */
import { type FileHandle, open } from 'node:fs/promises'
import { KiB, MiB } from './units.ts'

export interface SparseImage {
  readonly bytes: number
  readonly extents: readonly { readonly offset: number; readonly data: Buffer }[]
}

const readBytes = MiB
const blockBytes = 4 * KiB
const zeros = Buffer.alloc(blockBytes)

/** Where a file may hold something, in bytes; in order. */
export type Ranges = readonly { readonly offset: number; readonly bytes: number }[]

/**
 * Stops at the last allocated block; what is far behind in a file costs as much as all that is before it, unless it is said
 * where there is anything (`within`).
 */
export async function readSparse(path: string, within?: Ranges): Promise<SparseImage> {
  const file = await open(path, 'r')
  try {
    const { size, blocks } = await file.stat()
    const extents: { offset: number; data: Buffer }[] = []
    const buffer = Buffer.alloc(readBytes)
    let left = blocks * 512
    for (const range of within ?? [{ offset: 0, bytes: size }]) {
      const end = range.offset + range.bytes
      for (let at = range.offset; at < end && left > 0; at += readBytes) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(readBytes, end - at), at)
        for (const extent of extentsOf(buffer.subarray(0, bytesRead), at)) {
          extents.push(extent)
          left -= extent.data.length
        }
      }
    }
    return { bytes: size, extents }
  } finally {
    await file.close()
  }
}

function extentsOf(data: Buffer, base: number): { offset: number; data: Buffer }[] {
  const extents = []
  let begin = -1
  for (let at = 0; at <= data.length; at += blockBytes) {
    const block = data.subarray(at, at + blockBytes)
    const isHole = block.length === 0 || block.equals(zeros.subarray(0, block.length))
    if (!isHole && begin < 0) begin = at
    if (!isHole || begin < 0) continue
    extents.push({ offset: base + begin, data: Buffer.from(data.subarray(begin, at)) })
    begin = -1
  }
  return extents
}

/** The file may not exist; it belongs to `uid` and nobody else may read it. */
export async function writeSparse(path: string, image: SparseImage, uid: number): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await Promise.all([file.truncate(image.bytes), file.chown(uid, uid)])
    await Promise.all(image.extents.map(({ offset, data }) => writeAll(file, data, offset)))
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, data: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten
  }
}
