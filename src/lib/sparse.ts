/** Files that are mostly holes: read once as what is in them, written again many times in a few calls. */
import { type FileHandle, open } from 'node:fs/promises'
import koffi from 'koffi'
import { KiB, MiB } from './units.ts'

export interface SparseImage {
  readonly bytes: number
  readonly extents: readonly { readonly offset: number; readonly data: Buffer }[]
}

const lseek = koffi.load('libc.so.6').func('int64 lseek(int fd, int64 offset, int whence)')
/** From unistd.h. */
const SEEK_DATA = 3
const SEEK_HOLE = 4

const readBytes = MiB
const blockBytes = 4 * KiB
const zeros = Buffer.alloc(blockBytes)

/** Reads what the file system says is there; of that not the zeros. */
export async function readSparse(path: string): Promise<SparseImage> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const extents: { offset: number; data: Buffer }[] = []
    const buffer = Buffer.alloc(readBytes)
    for (const range of rangesOf(file.fd, size)) {
      const end = range.offset + range.bytes
      for (let at = range.offset; at < end; at += readBytes) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(readBytes, end - at), at)
        extents.push(...extentsOf(buffer.subarray(0, bytesRead), at))
      }
    }
    return { bytes: size, extents }
  } finally {
    await file.close()
  }
}

/** Where the file is no hole. A file system that does not know its holes says that it has none. */
function* rangesOf(fd: number, size: number): Generator<{ offset: number; bytes: number }> {
  for (let end = 0; end < size; ) {
    const offset = Number(lseek(fd, end, SEEK_DATA))
    if (offset < 0) return
    end = Number(lseek(fd, offset, SEEK_HOLE))
    yield { offset, bytes: end - offset }
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
