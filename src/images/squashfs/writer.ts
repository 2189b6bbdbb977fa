/**
 * Writes a squashfs 4.0, uncompressed: the contents of files as they come, then the tree that names them.
 *
 *     superblock 96 | contents and fragments | inodes | directories | fragment table | users and groups | attributes
 *
 * Contents that an upper layer hides stay as unused bytes. Why it is written here stands in decision 004.
 */
import { internal } from '../../lib/errors.ts'
import { DataWriter, dataBlockBytes, type FileContent } from './data.ts'
import {
  Directory,
  encodeDirectory,
  encodeFile,
  encodeOther,
  type IndexEntry,
  type Inode,
  kinds,
  type Link,
  type Listing,
} from './inode.ts'
import { MetadataStream, writeTable } from './metadata.ts'
import { Output } from './output.ts'
import { IdTable, XattrTable } from './tables.ts'

const superblockBytes = 96
const absent = 0xffff_ffff_ffff_ffffn
/** Of the superblock: inodes, data, fragments, attributes and ids are not compressed. */
const flags = 0x0001 | 0x0002 | 0x0008 | 0x0100 | 0x0800
const noXattrTable = 0x0200
/** A header of a listing speaks for at most so many names. */
const groupMax = 256

type Named = readonly [name: string, link: Link]

export class SquashfsWriter {
  readonly #output: Output
  readonly #data: DataWriter
  readonly #ids = new IdTable()
  readonly xattrs = new XattrTable()
  readonly #inodes = new MetadataStream()
  readonly #listings = new MetadataStream()
  #count = 0

  /** `fd`: an empty file, the caller's to close. */
  constructor(fd: number) {
    this.#output = new Output(fd)
    this.#output.write(Buffer.alloc(superblockBytes))
    this.#data = new DataWriter(this.#output)
  }

  beginFile(): void {
    this.#data.begin()
  }

  data(chunk: Buffer): void {
    this.#data.data(chunk)
  }

  hole(bytes: number): void {
    this.#data.hole(bytes)
  }

  endFile(): FileContent {
    return this.#data.end()
  }

  /** Writes the tree; answers the bytes of the whole. */
  finish(root: Directory): number {
    this.#data.finish()
    root.number = ++this.#count
    this.#number(root)
    this.#writeDirectory(root, this.#count + 1)

    const inodes = this.#output.position
    this.#inodes.flush(this.#output)
    const listings = this.#output.position
    this.#listings.flush(this.#output)
    const fragments = this.#writeFragmentTable()
    const ids = writeTable(this.#output, this.#ids.encode())
    const xattrs = this.xattrs.write(this.#output)
    const bytes = this.#output.position
    this.#output.overwrite(this.#superblock(root, bytes, { inodes, listings, fragments, ids, xattrs }), 0)
    return bytes
  }

  /** Numbers follow one another within a directory, so that its listing needs few headers. */
  #number(root: Directory): void {
    const directories = [root]
    for (let directory = directories.pop(); directory; directory = directories.pop()) {
      directory.links = 2
      for (const [, { inode }] of sorted(directory)) {
        if (inode.number === 0) inode.number = ++this.#count
        if (inode instanceof Directory) {
          directory.links++
          directories.push(inode)
        } else inode.links++
      }
    }
  }

  #writeDirectory(directory: Directory, parent: number): void {
    const names = sorted(directory)
    for (const [, { inode }] of names) {
      if (inode instanceof Directory) this.#writeDirectory(inode, directory.number)
    }
    for (const [, { inode }] of names) {
      if (inode instanceof Directory || inode.block >= 0) continue
      this.#writeInode(
        inode,
        inode.kind === kinds.file ? encodeFile(inode, this.#ids.index) : encodeOther(inode, this.#ids.index),
      )
    }
    const listing = this.#writeListing(names)
    this.#writeInode(directory, encodeDirectory(directory, listing, parent, this.#ids.index))
  }

  #writeInode(inode: Inode, encoded: Buffer): void {
    Object.assign(inode, this.#inodes.place)
    this.#inodes.write(encoded)
  }

  #writeListing(names: readonly Named[]): Listing {
    const { block, offset } = this.#listings.place
    const index: IndexEntry[] = []
    let bytes = 0
    let indexed = block
    for (const group of groups(names)) {
      const place = this.#listings.place
      if (place.block !== indexed) {
        index.push({ listingOffset: bytes, block: place.block, name: group[0]![0] })
        indexed = place.block
      }
      const encoded = encodeGroup(group)
      this.#listings.write(encoded)
      bytes += encoded.length
    }
    return { block, offset, bytes, index }
  }

  #writeFragmentTable(): number | null {
    const { fragments } = this.#data
    if (fragments.length === 0) return null
    const table = Buffer.alloc(fragments.length * 16)
    for (const [i, { start, size }] of fragments.entries()) {
      table.writeBigUInt64LE(BigInt(start), i * 16)
      table.writeUInt32LE(size, i * 16 + 8)
    }
    return writeTable(this.#output, table)
  }

  #superblock(
    root: Directory,
    bytes: number,
    at: { inodes: number; listings: number; fragments: number | null; ids: number; xattrs: number | null },
  ): Buffer {
    const block = Buffer.alloc(superblockBytes)
    block.write('hsqs', 0, 'latin1')
    block.writeUInt32LE(this.#count, 4)
    block.writeUInt32LE(dataBlockBytes, 12)
    block.writeUInt32LE(this.#data.fragments.length, 16)
    // A kernel must know the named compression (gzip) although nothing uses it.
    block.writeUInt16LE(1, 20)
    block.writeUInt16LE(Math.log2(dataBlockBytes), 22)
    block.writeUInt16LE(flags | (at.xattrs === null ? noXattrTable : 0), 24)
    block.writeUInt16LE(this.#ids.count, 26)
    block.writeUInt16LE(4, 28)
    block.writeBigUInt64LE((BigInt(root.block) << 16n) | BigInt(root.offset), 32)
    block.writeBigUInt64LE(BigInt(bytes), 40)
    const tables = [at.ids, at.xattrs, at.inodes, at.listings, at.fragments, null]
    for (const [i, table] of tables.entries()) {
      block.writeBigUInt64LE(table === null ? absent : BigInt(table), 48 + i * 8)
    }
    return block
  }
}

/** By bytes, as the kernel looks names up. */
const sorted = (directory: Directory): Named[] =>
  [...directory.children].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

/** Names that one header can speak for: inodes in one metadata block, numbers close to one another. */
function* groups(names: readonly Named[]): Generator<readonly Named[]> {
  for (let start = 0; start < names.length; ) {
    const first = names[start]![1].inode
    let end = start + 1
    while (end < names.length && end - start < groupMax) {
      const { block, number } = names[end]![1].inode
      if (block !== first.block || Math.abs(number - first.number) > 0x7fff) break
      end++
    }
    yield names.slice(start, end)
    start = end
  }
}

function encodeGroup(group: readonly Named[]): Buffer {
  const first = group[0]![1].inode
  if (first.block < 0) throw internal('squashfs', 'an inode was listed before it was written')
  const buffer = Buffer.alloc(12 + group.reduce((sum, [name]) => sum + 8 + name.length, 0))
  buffer.writeUInt32LE(group.length - 1, 0)
  buffer.writeUInt32LE(first.block, 4)
  buffer.writeUInt32LE(first.number, 8)
  let at = 12
  for (const [name, { inode }] of group) {
    buffer.writeUInt16LE(inode.offset, at)
    buffer.writeInt16LE(inode.number - first.number, at + 2)
    buffer.writeUInt16LE(inode.kind, at + 4)
    buffer.writeUInt16LE(name.length - 1, at + 6)
    at += 8 + buffer.write(name, at + 8, 'latin1')
  }
  return buffer
}
