/**
 * Reads what the writer beside this wrote, and nothing else: a squashfs 4.0 without compression, whose metadata blocks are
 * all full but the last. So a place in a table is a plain offset, and no table has to be held in memory. The files of an
 * image are looked at in this way on the host, without mounting anything and without a sandbox.
 */
import { closeSync, openSync, read, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { internal } from '../../lib/errors.ts'
import { dataBlockBytes } from './data.ts'
import { kinds, noXattrs } from './inode.ts'

const metadataBlockBytes = 8192
const superblockBytes = 96
const sizeMask = (1 << 24) - 1
const absent = 0xffff_ffff_ffff_ffffn
const noFragment = 0xffffffff
const listingsCachedMax = 64
const xattrPrefixes = ['user.', 'trusted.', 'security.']

export interface ImageNode {
  readonly kind: 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly size: number
  readonly target: string
  readonly device: { readonly major: number; readonly minor: number }
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** The same for all names of a file. */
  readonly inode: number
  /** How many names it has; not of a directory. */
  readonly links: number
  /** The reader's own: where its content or its listing is. */
  readonly at: Place
}

type Place =
  | { readonly type: 'listing'; readonly position: number; readonly bytes: number }
  | {
      readonly type: 'content'
      readonly start: number
      readonly sizes: readonly number[]
      readonly fragment: number
      readonly offset: number
    }
  | { readonly type: 'nothing' }

interface Tables {
  readonly ids: number
  readonly xattrs: number | null
  readonly inodes: number
  readonly listings: number
  readonly fragments: number | null
}

const kindNames = {
  [kinds.directory]: 'directory',
  [kinds.file]: 'file',
  [kinds.symlink]: 'symlink',
  [kinds.block]: 'block',
  [kinds.character]: 'character',
  [kinds.fifo]: 'fifo',
} as const

const damaged = (what: string) => internal('block_image_damaged', `a block image is damaged: ${what}`)

/** Names are strings of one character a byte. */
export class SquashfsReader implements Disposable {
  readonly #fd: number
  readonly #tables: Tables
  readonly #listings = new Map<number, ReadonlyMap<string, number>>()
  readonly root: ImageNode

  constructor(path: string) {
    this.#fd = openSync(path, 'r')
    try {
      const block = this.#read(0, superblockBytes)
      if (block.toString('latin1', 0, 4) !== 'hsqs' || block.readUInt32LE(12) !== dataBlockBytes) {
        throw damaged('it does not begin as one')
      }
      const table = (at: number) => {
        const value = block.readBigUInt64LE(at)
        return value === absent ? null : Number(value)
      }
      this.#tables = {
        ids: Number(block.readBigUInt64LE(48)),
        xattrs: table(56),
        inodes: Number(block.readBigUInt64LE(64)),
        listings: Number(block.readBigUInt64LE(72)),
        fragments: table(80),
      }
      this.root = this.#inode(reference(block.readBigUInt64LE(32)))
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }

  /** null: there is no such name, or `directory` is none. Symbolic links are not followed. */
  child(directory: ImageNode, name: string): ImageNode | null {
    const place = this.#listing(directory).get(name)
    return place === undefined ? null : this.#inode(place)
  }

  /** Sorted by bytes. */
  names(directory: ImageNode): string[] {
    return [...this.#listing(directory).keys()]
  }

  /** The whole content of a file, holes as zeros. */
  async *content(node: ImageNode): AsyncGenerator<Buffer> {
    const { at } = node
    if (at.type !== 'content') throw internal('not_a_file', 'only a file has content')
    if (at.fragment !== noFragment) {
      const entry = this.#tableEntry(this.#tables.fragments, at.fragment, 16)
      yield await readFully(this.#fd, Number(entry.readBigUInt64LE(0)) + at.offset, node.size)
      return
    }
    let left = node.size
    let position = at.start
    for (const size of at.sizes) {
      const stored = size & sizeMask
      const bytes = Math.min(dataBlockBytes, left)
      yield stored === 0 ? Buffer.alloc(bytes) : await readFully(this.#fd, position, bytes)
      position += stored
      left -= bytes
    }
  }

  #listing(directory: ImageNode): ReadonlyMap<string, number> {
    const known = this.#listings.get(directory.inode)
    if (known) return known
    const names =
      directory.at.type === 'listing' ? this.#readListing(directory.at) : new Map<string, number>()
    if (this.#listings.size >= listingsCachedMax) this.#listings.delete(this.#listings.keys().next().value!)
    this.#listings.set(directory.inode, names)
    return names
  }

  /** Names and the places of their inodes. */
  #readListing({ position, bytes }: { position: number; bytes: number }): Map<string, number> {
    const names = new Map<string, number>()
    const data = this.#metadata(this.#tables.listings, position, bytes)
    for (let at = 0; at < data.length; ) {
      const count = data.readUInt32LE(at) + 1
      const block = data.readUInt32LE(at + 4)
      at += 12
      for (let i = 0; i < count; i++) {
        const length = data.readUInt16LE(at + 6) + 1
        names.set(data.toString('latin1', at + 8, at + 8 + length), linear(block, data.readUInt16LE(at)))
        at += 8 + length
      }
    }
    return names
  }

  #inode(position: number): ImageNode {
    const metadata = (from: number, bytes: number) =>
      this.#metadata(this.#tables.inodes, position + from, bytes)
    const head = metadata(0, 16)
    const type = head.readUInt16LE(0)
    const extended = type > 7
    const kind = kindNames[(extended ? type - 7 : type) as keyof typeof kindNames]
    if (kind === undefined) throw damaged(`an inode is of type ${type}`)
    const common = {
      kind,
      mode: head.readUInt16LE(2),
      uid: this.#id(head.readUInt16LE(4)),
      gid: this.#id(head.readUInt16LE(6)),
      mtime: head.readUInt32LE(8),
      inode: head.readUInt32LE(12),
      size: 0,
      target: '',
      links: 1,
      device: { major: 0, minor: 0 },
    }
    if (kind === 'directory') return { ...common, ...this.#directory(metadata, extended) }
    if (kind === 'file') return { ...common, ...this.#fileOf(metadata, extended) }
    const body = metadata(16, 8)
    const length = kind === 'symlink' ? body.readUInt32LE(4) : kind === 'fifo' ? -4 : 0
    const end = 24 + length
    return {
      ...common,
      links: body.readUInt32LE(0),
      ...(kind === 'symlink' ? { target: metadata(24, length).toString('latin1') } : {}),
      ...(kind === 'character' || kind === 'block' ? { device: decodeDevice(body.readUInt32LE(4)) } : {}),
      xattrs: this.#xattrs(extended ? metadata(end, 4).readUInt32LE(0) : noXattrs),
      at: { type: 'nothing' },
    }
  }

  #directory(metadata: (from: number, bytes: number) => Buffer, extended: boolean) {
    if (extended) {
      const body = metadata(16, 24)
      return {
        xattrs: this.#xattrs(body.readUInt32LE(20)),
        at: listingAt(body.readUInt32LE(8), body.readUInt16LE(18), body.readUInt32LE(4)),
      }
    }
    const body = metadata(16, 16)
    return {
      xattrs: this.#xattrs(noXattrs),
      at: listingAt(body.readUInt32LE(0), body.readUInt16LE(10), body.readUInt16LE(8)),
    }
  }

  #fileOf(metadata: (from: number, bytes: number) => Buffer, extended: boolean) {
    const body = metadata(16, extended ? 40 : 16)
    const facts = extended
      ? {
          start: Number(body.readBigUInt64LE(0)),
          size: Number(body.readBigUInt64LE(8)),
          links: body.readUInt32LE(24),
          fragment: body.readUInt32LE(28),
          offset: body.readUInt32LE(32),
          xattrs: body.readUInt32LE(36),
        }
      : {
          start: body.readUInt32LE(0),
          size: body.readUInt32LE(12),
          links: 1,
          fragment: body.readUInt32LE(4),
          offset: body.readUInt32LE(8),
          xattrs: noXattrs,
        }
    const { start, size, links, fragment, offset } = facts
    const count = fragment === noFragment ? Math.ceil(size / dataBlockBytes) : 0
    const list = metadata(extended ? 56 : 32, count * 4)
    const sizes = Array.from({ length: count }, (_, i) => list.readUInt32LE(i * 4))
    return {
      size,
      links,
      xattrs: this.#xattrs(facts.xattrs),
      at: { type: 'content' as const, start, sizes, fragment, offset },
    }
  }

  #id(index: number): number {
    return this.#tableEntry(this.#tables.ids, index, 4).readUInt32LE(0)
  }

  #xattrs(set: number): ReadonlyMap<string, Buffer> {
    const xattrs = new Map<string, Buffer>()
    if (set === noXattrs) return xattrs
    const table = this.#tables.xattrs
    if (table === null) throw damaged('there is no table of attributes')
    const pairsStart = Number(this.#read(table, 8).readBigUInt64LE(0))
    const entry = this.#tableEntry(table + 16, set, 16)
    let at = reference(entry.readBigUInt64LE(0))
    const take = (bytes: number) => {
      const data = this.#metadata(pairsStart, at, bytes)
      at += bytes
      return data
    }
    for (let i = 0; i < entry.readUInt32LE(8); i++) {
      const key = take(4)
      const name = take(key.readUInt16LE(2)).toString('latin1')
      const value = take(take(4).readUInt32LE(0))
      xattrs.set(`${xattrPrefixes[key.readUInt16LE(0)]}${name}`, value)
    }
    return xattrs
  }

  /** An entry of a table whose list of blocks is at `list`. */
  #tableEntry(list: number | null, index: number, bytes: number): Buffer {
    if (list === null) throw damaged('a table is missing')
    const start = Number(this.#read(list, 8).readBigUInt64LE(0))
    return this.#metadata(start, index * bytes, bytes)
  }

  /** `position`: as if the blocks had no headers between them. */
  #metadata(table: number, position: number, bytes: number): Buffer {
    const parts: Buffer[] = []
    for (let at = position; at < position + bytes; ) {
      const inBlock = at % metadataBlockBytes
      const take = Math.min(metadataBlockBytes - inBlock, position + bytes - at)
      const block = Math.floor(at / metadataBlockBytes) * (metadataBlockBytes + 2)
      parts.push(this.#read(table + block + 2 + inBlock, take))
      at += take
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  #read(position: number, bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes)
    for (let done = 0; done < bytes; ) {
      const got = readSync(this.#fd, buffer, done, bytes - done, position + done)
      if (got === 0) throw damaged('it ends too early')
      done += got
    }
    return buffer
  }
}

const linear = (block: number, offset: number) =>
  (block / (metadataBlockBytes + 2)) * metadataBlockBytes + offset

const reference = (packed: bigint) => linear(Number(packed >> 16n), Number(packed & 0xffffn))

/** The size of a listing counts three bytes for `.` and `..`, which are not there. */
const listingAt = (block: number, offset: number, size: number) => ({
  type: 'listing' as const,
  position: linear(block, offset),
  bytes: size - 3,
})

const decodeDevice = (device: number) => ({
  major: (device >>> 8) & 0xfff,
  minor: (device & 0xff) | ((device >>> 12) & 0xfff00),
})

const readPiece = promisify(read)

async function readFully(fd: number, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes)
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await readPiece(fd, buffer, done, bytes - done, position + done)
    if (bytesRead === 0) throw damaged('it ends too early')
    done += bytesRead
  }
  return buffer
}
