/**
 * The context of a build: a tar from the client, its files spooled to one file on disk as they come, the tree of their names
 * held in memory. Hostile as every tar: bounded, names cleaned, and nothing in it is ever a path of ours.
 */
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { exhausted, invalid } from '../lib/errors.ts'
import { type TarEntry, TarReader, type TarSink } from '../lib/tar/reader.ts'
import { KiB } from '../lib/units.ts'
import { type BuildLimits, contextNameBytesMax } from './limits.ts'
import { componentsOf, type FileTree, plainDirectory, shown, type TreeNode } from './tree.ts'

export interface ContextNode extends TreeNode {
  /** Where its content is in the spool. */
  readonly offset: number
  readonly digest: string
  readonly children: Map<string, ContextNode>
}

const nameBytesMax = 255
const pathBytesMax = 4096
const readBytes = 256 * KiB

export interface ReceiveOptions {
  /** Of the file that the contents are put into. */
  readonly path: string
  readonly limits: BuildLimits
  readonly signal: AbortSignal
}

export class BuildContext implements FileTree<ContextNode>, AsyncDisposable {
  readonly root: ContextNode
  readonly #file: FileHandle
  readonly #path: string

  constructor(root: ContextNode, file: FileHandle, path: string) {
    this.root = root
    this.#file = file
    this.#path = path
  }

  child(directory: ContextNode, name: string): ContextNode | null {
    return directory.children.get(name) ?? null
  }

  names(directory: ContextNode): string[] {
    return [...directory.children.keys()].sort((a, b) => (a < b ? -1 : 1))
  }

  digest(file: ContextNode): string {
    return file.digest
  }

  async *content(file: ContextNode): AsyncGenerator<Buffer> {
    for (let done = 0; done < file.size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(readBytes, file.size - done))
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, file.offset + done)
      yield buffer.subarray(0, bytesRead)
      done += bytesRead
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    await rm(this.#path, { force: true })
  }
}

/** `source`: a tar, not compressed. Rejects with kind `invalid` or `exhausted`, and leaves nothing. */
export async function receiveContext(
  source: AsyncIterable<Buffer>,
  { path, limits, signal }: ReceiveOptions,
): Promise<BuildContext> {
  const file = await open(path, 'wx+', 0o600)
  try {
    const tree = new Growing(limits)
    const reader = new TarReader(tree)
    for await (const chunk of source) {
      signal.throwIfAborted()
      reader.push(chunk)
      await writeAll(file, tree.take())
    }
    reader.end()
    return new BuildContext(tree.root, file, path)
  } catch (error) {
    await file.close()
    await rm(path, { force: true })
    throw error
  }
}

async function writeAll(file: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  // A short write of several pieces would have to be taken up in the middle of one: whole ones are simpler.
  if (pieces.length > 0) await file.writeFile(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
}

const directoryNode = (inode: number, entry?: TarEntry): ContextNode => ({
  ...plainDirectory,
  ...(entry
    ? { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime, xattrs: entry.xattrs }
    : {}),
  inode,
  offset: 0,
  digest: '',
  children: new Map(),
})

/** The tree as the tar tells of it, and the bytes that are to be written before the next chunk is read. */
class Growing implements TarSink {
  root: ContextNode = directoryNode(0)
  readonly #limits: BuildLimits
  #count = 0
  #nameBytes = 0
  #offset = 0
  #pieces: Buffer[] = []
  #open: { entry: TarEntry; parts: string[]; offset: number; hash: Hash } | null = null

  constructor(limits: BuildLimits) {
    this.#limits = limits
  }

  take(): Buffer[] {
    return this.#pieces.splice(0)
  }

  entry(entry: TarEntry): void {
    const parts = partsOf(entry.name)
    this.#check(entry, parts)
    if (entry.type === 'file') {
      this.#open = { entry, parts, offset: this.#offset, hash: createHash('sha256') }
    } else if (entry.type === 'link') this.#put(parts, this.#linked(entry))
    else if (entry.type === 'directory') this.#directory(parts, entry)
    else
      this.#put(
        parts,
        this.#node(entry, entry.type, { target: entry.type === 'symlink' ? entry.linkName : '' }),
      )
  }

  data(chunk: Buffer): void {
    if (!this.#open) return
    this.#open.hash.update(chunk)
    this.#pieces.push(chunk)
    this.#offset += chunk.length
  }

  hole(): void {
    throw invalid(
      'sparse_file',
      'sparse files are not supported in a build context: make the tar without them',
    )
  }

  endEntry(): void {
    if (!this.#open) return
    const { entry, parts, offset, hash } = this.#open
    this.#open = null
    this.#put(parts, this.#node(entry, 'file', { size: entry.size, offset, digest: hash.digest('hex') }))
  }

  #node(entry: TarEntry, kind: TreeNode['kind'], more: Partial<ContextNode>): ContextNode {
    const { mode, uid, gid, mtime, xattrs, deviceMajor: major, deviceMinor: minor } = entry
    const common = { kind, mode, uid, gid, mtime, xattrs, device: { major, minor }, inode: this.#count }
    return { ...directoryNode(0), ...common, ...more }
  }

  #check(entry: TarEntry, parts: readonly string[]): void {
    const { contextBytesMax, contextEntriesMax } = this.#limits
    if (++this.#count > contextEntriesMax) {
      throw exhausted('context_too_large', `the build context has more than ${contextEntriesMax} files`)
    }
    if (this.#offset + entry.size > contextBytesMax) {
      throw exhausted(
        'context_too_large',
        `the files of the build context have more than ${contextBytesMax} bytes`,
      )
    }
    this.#nameBytes += entry.name.length + entry.linkName.length
    for (const [name, value] of entry.xattrs) this.#nameBytes += name.length + value.length
    if (this.#nameBytes > contextNameBytesMax) {
      throw exhausted(
        'context_too_large',
        `the names in the build context have more than ${contextNameBytesMax} bytes`,
      )
    }
    if (parts.length === 0 && entry.type !== 'directory') {
      throw invalid('bad_context', 'the root of a build context must be a directory')
    }
  }

  #linked({ name, linkName }: TarEntry): ContextNode {
    let node: ContextNode | undefined = this.root
    for (const part of partsOf(linkName)) node = node?.children.get(part)
    if (node && node.kind !== 'directory') return node
    throw invalid(
      'bad_context',
      `the hard link ${JSON.stringify(shown(name))} goes to ${JSON.stringify(shown(linkName))}, which is no file of the build context`,
    )
  }

  #put(parts: readonly string[], node: ContextNode): void {
    this.#parent(parts).children.set(parts.at(-1)!, node)
  }

  /** One that is there keeps what is in it. */
  #directory(parts: readonly string[], entry: TarEntry): void {
    if (parts.length === 0) {
      this.root = { ...directoryNode(0, entry), children: this.root.children }
      return
    }
    const siblings = this.#parent(parts).children
    const before = siblings.get(parts.at(-1)!)
    const made = directoryNode(this.#count, entry)
    siblings.set(parts.at(-1)!, before?.kind === 'directory' ? { ...made, children: before.children } : made)
  }

  #parent(parts: readonly string[]): ContextNode {
    let directory = this.root
    for (const part of parts.slice(0, -1)) {
      const found = directory.children.get(part)
      if (found?.kind === 'directory') directory = found
      else {
        const made = directoryNode(this.#count)
        directory.children.set(part, made)
        directory = made
      }
    }
    return directory
  }
}

/** `..` is refused even where it would stay inside: no client writes it. */
function partsOf(name: string): string[] {
  const parts = componentsOf(name)
  const isBad =
    name.length > pathBytesMax ||
    name.includes('\0') ||
    parts.some((part) => part === '..' || part.length > nameBytesMax)
  if (!isBad) return parts
  throw invalid(
    'bad_context',
    `the name ${JSON.stringify(shown(name.slice(0, 200)))} in the build context cannot be used`,
  )
}
