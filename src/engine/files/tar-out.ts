/** Trees of files as tars, as dockerd writes them: whole seconds, no sockets, of the attributes those that travel. */

import { internal } from '../../lib/errors.ts'
import { encodeHeader } from '../../lib/tar/encode.ts'
import { archiveEnd, filePadding } from '../../lib/tar/writer.ts'
import { KiB } from '../../lib/units.ts'
import type { FileEntry, FileRecord } from '../ports/files.ts'
import { tarName } from './names.ts'

/** Small files are gathered into pieces of this size: each piece is a write to the client. */
const pieceBytes = 64 * KiB
const nanosPerSecond = 1_000_000_000n

/** `nameOf`: what a path of the tree is called in the tar; undefined leaves the entry out. */
export async function* tarOf(
  records: AsyncIterable<FileRecord>,
  nameOf: (path: string) => string | undefined,
): AsyncGenerator<Buffer> {
  yield* gathered(entries(records, nameOf))
}

async function* entries(
  records: AsyncIterable<FileRecord>,
  nameOf: (path: string) => string | undefined,
): AsyncGenerator<Buffer> {
  for await (const { entry, content } of records) {
    const name = nameOf(entry.path)
    if (name === undefined || entry.kind === 'socket') continue
    yield headerOf(entry, name, entry.kind === 'link' ? (nameOf(entry.target) ?? '') : entry.target)
    let bytes = 0
    for await (const chunk of content ?? []) {
      bytes += chunk.length
      yield chunk
    }
    if (bytes !== (entry.kind === 'file' ? entry.size : 0)) {
      throw internal('short_file', `${entry.path} has ${bytes} bytes, not ${entry.size} as was said`)
    }
    yield filePadding(bytes)
  }
  yield archiveEnd
}

/** Directories end in a slash. */
export function headerOf(entry: FileEntry, name: string, target: string): Buffer {
  const type = entry.kind as Exclude<FileEntry['kind'], 'socket'>
  return encodeHeader({
    name: tarName(type === 'directory' && !name.endsWith('/') ? `${name}/` : name),
    type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: type === 'file' ? entry.size : 0,
    mtime: Number(entry.mtimeNs / nanosPerSecond),
    linkName: tarName(target),
    deviceMajor: entry.device.major,
    deviceMinor: entry.device.minor,
    xattrs: travelling(entry.xattrs),
  })
}

/** Attributes that mean something elsewhere too; those of an overlay or of a security module do not. */
export function travelling(xattrs: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (xattrs.size === 0) return xattrs
  return new Map([...xattrs].filter(([name]) => name === 'security.capability' || name.startsWith('user.')))
}

async function* gathered(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    waiting.push(chunk)
    bytes += chunk.length
    if (bytes < pieceBytes) continue
    yield waiting.length === 1 ? chunk : Buffer.concat(waiting, bytes)
    waiting = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes)
}
