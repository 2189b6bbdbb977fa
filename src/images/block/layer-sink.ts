/** Turns the entries of a layer's tar into the tree and the contents of the block image. */
import { exhausted } from '../../lib/errors.ts'
import { badTar } from '../../lib/tar/header.ts'
import type { TarEntry, TarSink } from '../../lib/tar/reader.ts'
import type { ImageLimits } from '../limits.ts'
import { pathBytesMax, xattrNameBytesMax } from '../limits.ts'
import { encodeDevice, Inode, type Kind, kinds } from '../squashfs/inode.ts'
import type { SquashfsWriter } from '../squashfs/writer.ts'
import { components, whiteout } from './names.ts'
import type { LayerTree } from './tree.ts'

/** All attributes of an image: held in memory. */
const xattrBytesTotalMax = 64 * 1024 * 1024

const kindOf: Readonly<Record<Exclude<TarEntry['type'], 'link' | 'directory'>, Kind>> = {
  file: kinds.file,
  symlink: kinds.symlink,
  character: kinds.character,
  block: kinds.block,
  fifo: kinds.fifo,
}

export class LayerSink implements TarSink {
  readonly #tree: LayerTree
  readonly #writer: SquashfsWriter
  readonly #limits: ImageLimits
  #open: { path: string[]; inode: Inode } | null = null
  #entries = 0
  #imageBytes = 0
  /** Of the layer being read. */
  contentBytes = 0

  constructor(tree: LayerTree, writer: SquashfsWriter, limits: ImageLimits) {
    this.#tree = tree
    this.#writer = writer
    this.#limits = limits
  }

  beginLayer(): void {
    this.#tree.beginLayer()
    this.contentBytes = 0
  }

  entry(entry: TarEntry): void {
    this.#count(entry)
    this.#open = null
    const path = components(entry.name)
    const white = whiteout(path)
    if (white.kind === 'opaque') this.#tree.clear(path.slice(0, -1))
    else if (white.kind === 'remove') this.#tree.remove(path.slice(0, -1), white.name)
    else if (white.kind === 'none') this.#put(entry, path)
  }

  data(chunk: Buffer): void {
    if (this.#open) this.#writer.data(chunk)
  }

  hole(bytes: number): void {
    if (this.#open) this.#writer.hole(bytes)
  }

  endEntry(): void {
    if (!this.#open) return
    const { path, inode } = this.#open
    inode.content = this.#writer.endFile()
    this.#tree.put(path, inode)
    this.#open = null
  }

  #count(entry: TarEntry): void {
    this.#entries++
    this.#imageBytes += entry.size
    this.contentBytes += entry.size
    const { imageEntriesMax, imageBytesMax } = this.#limits
    if (this.#entries > imageEntriesMax) {
      throw exhausted('image_too_large', `the image has more than ${imageEntriesMax} files`)
    }
    if (this.#imageBytes > imageBytesMax) {
      throw exhausted('image_too_large', `the files of the image have more than ${imageBytesMax} bytes`)
    }
  }

  #put(entry: TarEntry, path: string[]): void {
    if (entry.type === 'directory') {
      this.#describe(this.#tree.directory(path), entry)
      return
    }
    if (entry.type === 'link') {
      this.#link(entry, path)
      return
    }
    const inode = this.#describe(new Inode(kindOf[entry.type]), entry)
    if (entry.type === 'file') {
      this.#writer.beginFile()
      this.#open = { path, inode }
      return
    }
    if (entry.type === 'symlink') inode.target = checkTarget(entry)
    if (entry.type === 'character' || entry.type === 'block') inode.device = checkDevice(entry)
    this.#tree.put(path, inode)
  }

  #link(entry: TarEntry, path: string[]): void {
    const target = this.#tree.find(components(entry.linkName))
    if (!target || target.kind === kinds.directory) {
      throw badTar(
        `a hard link goes to ${JSON.stringify(entry.linkName.slice(0, 200))}, which is no file of the image`,
      )
    }
    this.#tree.put(path, target)
  }

  #describe<T extends Inode>(inode: T, entry: TarEntry): T {
    for (const name of entry.xattrs.keys()) {
      if (name.length > xattrNameBytesMax) throw badTar('the name of an extended attribute is too long')
    }
    inode.mode = entry.mode
    inode.uid = entry.uid
    inode.gid = entry.gid
    inode.mtime = entry.mtime
    if (entry.xattrs.size > 0 || inode.kind === kinds.directory) {
      inode.xattrs = this.#writer.xattrs.intern(entry.xattrs)
    }
    if (this.#writer.xattrs.bytes > xattrBytesTotalMax) {
      throw exhausted('image_too_large', 'the image has too many extended attributes')
    }
    return inode
  }
}

function checkTarget({ linkName, name }: TarEntry): string {
  if (linkName === '' || linkName.length >= pathBytesMax || linkName.includes('\0')) {
    throw badTar(`the symbolic link ${JSON.stringify(name.slice(0, 200))} has a target that cannot be`)
  }
  return linkName
}

function checkDevice({ deviceMajor, deviceMinor, name }: TarEntry): number {
  if (deviceMajor < 0 || deviceMajor > 0xfff || deviceMinor < 0 || deviceMinor > 0xfffff) {
    throw badTar(`the device ${JSON.stringify(name.slice(0, 200))} has a number that cannot be`)
  }
  return encodeDevice(deviceMajor, deviceMinor)
}
