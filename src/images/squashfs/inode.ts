/**
 * What a squashfs holds, as the writer takes it, and how one inode is encoded. Every inode begins
 *
 *     type 2 | permissions 2 | uid index 2 | gid index 2 | mtime 4 | number 4
 *
 * and comes in a basic form, or an extended one where it has extended attributes, more names or a large size.
 */
import type { FileContent } from './data.ts'

/** Numbers of the format. */
export const kinds = { directory: 1, file: 2, symlink: 3, block: 4, character: 5, fifo: 6 } as const
export type Kind = (typeof kinds)[keyof typeof kinds]

export const noXattrs = 0xffffffff
const noFragment = 0xffffffff
const u32Max = 0xffffffff
const timeMax = 0xffffffff

export class Inode {
  readonly kind: Kind
  mode = 0o755
  uid = 0
  gid = 0
  mtime = 0
  /** Number in the writer's table of attributes. */
  xattrs = noXattrs
  /** Of a file. */
  content: FileContent | null = null
  /** Of a symbolic link, one character a byte. */
  target = ''
  /** Of a device, as Linux encodes it. */
  device = 0

  /** The writer's own. */
  number = 0
  links = 0
  block = -1
  offset = 0

  constructor(kind: Kind) {
    this.kind = kind
  }
}

/** A name in a directory; many names may lead to one inode. */
export interface Link {
  readonly inode: Inode
}

export class Directory extends Inode {
  readonly children = new Map<string, Link>()

  constructor() {
    super(kinds.directory)
  }
}

export const encodeDevice = (major: number, minor: number): number =>
  ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0

function start(inode: Inode, extended: boolean, ids: (id: number) => number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUInt16LE(inode.kind + (extended ? 7 : 0), 0)
  buffer.writeUInt16LE(inode.mode & 0o7777, 2)
  buffer.writeUInt16LE(ids(inode.uid), 4)
  buffer.writeUInt16LE(ids(inode.gid), 6)
  buffer.writeUInt32LE(Math.min(Math.max(inode.mtime, 0), timeMax), 8)
  buffer.writeUInt32LE(inode.number, 12)
  return buffer
}

/** All but directories and files: links to it, then what is special, then the attributes. */
export function encodeOther(inode: Inode, ids: (id: number) => number): Buffer {
  const extended = inode.xattrs !== noXattrs
  const special = inode.kind === kinds.fifo ? 0 : 4
  const target = Buffer.from(inode.target, 'latin1')
  const body = 20 + special + target.length
  const buffer = start(inode, extended, ids, body + (extended ? 4 : 0))
  buffer.writeUInt32LE(inode.links, 16)
  if (special) buffer.writeUInt32LE(inode.kind === kinds.symlink ? target.length : inode.device, 20)
  target.copy(buffer, 24)
  if (extended) buffer.writeUInt32LE(inode.xattrs, body)
  return buffer
}

export function encodeFile(inode: Inode, ids: (id: number) => number): Buffer {
  const content = inode.content!
  const sizes = content.blockSizes()
  const fragment = content.fragment < 0 ? noFragment : content.fragment
  const extended =
    inode.xattrs !== noXattrs ||
    inode.links > 1 ||
    content.size > u32Max ||
    content.start > u32Max ||
    content.sparseBytes > 0
  const fixed = extended ? 56 : 32
  const buffer = start(inode, extended, ids, fixed + sizes.length * 4)
  if (extended) {
    buffer.writeBigUInt64LE(BigInt(content.start), 16)
    buffer.writeBigUInt64LE(BigInt(content.size), 24)
    buffer.writeBigUInt64LE(BigInt(content.sparseBytes), 32)
    buffer.writeUInt32LE(inode.links, 40)
    buffer.writeUInt32LE(fragment, 44)
    buffer.writeUInt32LE(content.fragmentOffset, 48)
    buffer.writeUInt32LE(inode.xattrs, 52)
  } else {
    buffer.writeUInt32LE(content.start, 16)
    buffer.writeUInt32LE(fragment, 20)
    buffer.writeUInt32LE(content.fragmentOffset, 24)
    buffer.writeUInt32LE(content.size, 28)
  }
  for (const [i, size] of sizes.entries()) buffer.writeUInt32LE(size, fixed + i * 4)
  return buffer
}

/** One step of the index that spares a look-up the reading of a large directory. */
export interface IndexEntry {
  readonly listingOffset: number
  readonly block: number
  readonly name: string
}

export interface Listing {
  readonly block: number
  readonly offset: number
  readonly bytes: number
  readonly index: readonly IndexEntry[]
}

export function encodeDirectory(
  inode: Directory,
  listing: Listing,
  parent: number,
  ids: (id: number) => number,
): Buffer {
  // Three bytes more than there are: for `.` and `..`, which are not stored.
  const size = listing.bytes + 3
  const extended = inode.xattrs !== noXattrs || size > 0xffff || listing.index.length > 0
  if (!extended) {
    const buffer = start(inode, false, ids, 32)
    buffer.writeUInt32LE(listing.block, 16)
    buffer.writeUInt32LE(inode.links, 20)
    buffer.writeUInt16LE(size, 24)
    buffer.writeUInt16LE(listing.offset, 26)
    buffer.writeUInt32LE(parent, 28)
    return buffer
  }
  const names = listing.index.map(({ name }) => Buffer.from(name, 'latin1'))
  const buffer = start(inode, true, ids, 40 + names.reduce((sum, name) => sum + 12 + name.length, 0))
  buffer.writeUInt32LE(inode.links, 16)
  buffer.writeUInt32LE(size, 20)
  buffer.writeUInt32LE(listing.block, 24)
  buffer.writeUInt32LE(parent, 28)
  buffer.writeUInt16LE(names.length, 32)
  buffer.writeUInt16LE(listing.offset, 34)
  buffer.writeUInt32LE(inode.xattrs, 36)
  let at = 40
  for (const [i, name] of names.entries()) {
    buffer.writeUInt32LE(listing.index[i]!.listingOffset, at)
    buffer.writeUInt32LE(listing.index[i]!.block, at + 4)
    buffer.writeUInt32LE(name.length - 1, at + 8)
    at += 12 + name.copy(buffer, at + 12)
  }
  return buffer
}
