/**
 * Trees of files as records (section Files of guest/protocol.md). What comes from a guest is hostile: lengths are checked before
 * anything waits for bytes, paths before anybody sees them.
 */
import type { FileChange, FileEntry, FileKind } from '../../engine/ports/files.ts'
import { internal, invalid } from '../../lib/errors.ts'
import { bytesOfName, nameOfBytes } from '../../lib/file-names.ts'
import { type FieldReader, FieldWriter } from './fields.ts'
import { pathBytesMax, recordFieldsBytesMax } from './limits.ts'
import { tags } from './protocol.ts'

/*     0        4        8                16
       +--------+--------+----------------+---------+----------+
       | magic  | length | size           | fields… | content… |
       +--------+--------+----------------+---------+----------+  little-endian */
const recordMagic = 0x46464248
export const recordHeaderBytes = 16

const typeMask = 0o170000
const kinds = new Map<number, FileKind>([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o020000, 'character'],
  [0o060000, 'block'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
])
const types = new Map([...kinds].map(([type, kind]) => [kind, type]))

const changeKinds = ['modified', 'added', 'deleted'] as const

const malformed = (what: string) => internal('bad_guest', `the guest sent a tree of files with ${what}`)

export interface RecordHeader {
  readonly fieldsBytes: number
  readonly size: number
}

export function recordHeader(bytes: Buffer): RecordHeader {
  const fieldsBytes = bytes.readUInt32LE(4)
  const size = bytes.readBigUInt64LE(8)
  if (bytes.readUInt32LE(0) !== recordMagic) throw malformed('something that is no record')
  if (fieldsBytes > recordFieldsBytesMax) throw malformed(`a record of ${fieldsBytes} bytes`)
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`a file of ${size} bytes`)
  return { fieldsBytes, size: Number(size) }
}

export function entryOf(fields: FieldReader, size: number): FileEntry {
  const path = treePath(fields.bytes(tags.path))
  const mode = fields.u32(tags.mode)
  const type = kinds.get(mode & typeMask)
  if (!type) throw malformed(`'${path}', which is of no kind of file`)
  const targetBytes = fields.bytes(tags.target)
  const isLink = type === 'file' && targetBytes.length > 0
  const kind = isLink ? 'link' : type
  if (size > 0 && kind !== 'file') throw malformed(`content of '${path}', which is no file`)
  if (kind === 'symlink' && targetBytes.length === 0) throw malformed(`a symlink '${path}' to nowhere`)
  const device = fields.u64(tags.device)
  return {
    ...{ path, kind, size, mode: mode & 0o7777, uid: fields.u32(tags.uid), gid: fields.u32(tags.gid) },
    mtimeNs: BigInt.asIntN(64, fields.u64(tags.mtimeNs)),
    target: isLink ? treePath(targetBytes) : kind === 'symlink' ? anyPath(targetBytes) : '',
    device: { major: Number(device >> 32n), minor: Number(device & 0xffff_ffffn) },
    xattrs: new Map(
      fields.nested(tags.xattr).map((xattr) => [xattrName(xattr.bytes(tags.name)), xattr.bytes(tags.value)]),
    ),
  }
}

export function changeOf(fields: FieldReader): FileChange {
  const path = anyPath(fields.bytes(tags.path))
  const kind = changeKinds[fields.u32(tags.action)]
  if (!kind || !path.startsWith('/') || !isPlain(path.slice(1)) || path === '/')
    throw malformed('a change that is none')
  return { path, kind }
}

export function resolvedOf(fields: FieldReader): string {
  const path = anyPath(fields.bytes(tags.sourcePath))
  if (path !== '' && path !== '/' && !(path.startsWith('/') && isPlain(path.slice(1))))
    throw malformed('a symlink that leads nowhere')
  return path
}

/** Header and fields; the content comes behind them. Throws code `bad_path` for what a tree cannot hold. */
export function encodeEntry(entry: FileEntry): Buffer {
  const { path, kind, target } = entry
  const type = types.get(kind === 'link' ? 'file' : kind)!
  if (!isPlain(path) || (kind === 'link' && (target === '' || !isPlain(target))))
    throw invalid('bad_path', `${JSON.stringify(path)} is no path inside of a tree`)
  const fields = new FieldWriter()
    .bytes(tags.path, bytesOfName(path))
    .u32(tags.mode, type | (entry.mode & 0o7777))
    .u32(tags.uid, entry.uid)
    .u32(tags.gid, entry.gid)
    .u64(tags.mtimeNs, entry.mtimeNs)
  if (kind === 'link' || kind === 'symlink') fields.bytes(tags.target, bytesOfName(target))
  if (kind === 'character' || kind === 'block')
    fields.u64(tags.device, (BigInt(entry.device.major) << 32n) | BigInt(entry.device.minor))
  for (const [name, value] of entry.xattrs)
    fields.nested(tags.xattr, (inside) => inside.bytes(tags.name, bytesOfName(name)).bytes(tags.value, value))
  const body = fields.toBuffer()
  if (body.length > recordFieldsBytesMax)
    throw invalid('too_large', `the attributes of ${JSON.stringify(path)} are more than a guest takes`)
  const header = Buffer.alloc(recordHeaderBytes)
  header.writeUInt32LE(recordMagic, 0)
  header.writeUInt32LE(body.length, 4)
  header.writeBigUInt64LE(BigInt(kind === 'file' ? entry.size : 0), 8)
  return Buffer.concat([header, body])
}

/** Relative, and staying below where it begins; '' is the root. */
function isPlain(path: string): boolean {
  if (path === '') return true
  return !path.includes('\0') && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
}

function treePath(bytes: Buffer): string {
  const path = anyPath(bytes)
  if (!isPlain(path)) throw malformed(`the path ${JSON.stringify(path)}`)
  return path
}

function anyPath(bytes: Buffer): string {
  if (bytes.length > pathBytesMax || bytes.includes(0)) throw malformed('a path that is none')
  return nameOfBytes(bytes)
}

function xattrName(bytes: Buffer): string {
  if (bytes.length === 0 || bytes.length > 255 || bytes.includes(0))
    throw malformed('an attribute without a name')
  return nameOfBytes(bytes)
}
