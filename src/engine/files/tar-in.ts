/**
 * A client's tar as a tree of files. The reader tells of what is in a chunk while it is given it; that is kept until it is
 * asked for, so that no more than one chunk of the client's is held.
 */
import { invalid } from '../../lib/errors.ts'
import { type TarEntry, TarReader } from '../../lib/tar/reader.ts'
import { KiB } from '../../lib/units.ts'
import type { FileEntry, FileRecord } from '../ports/files.ts'
import { fileName, linkedPath, relativePath } from './names.ts'
import { travelling } from './tar-out.ts'

const zeros = Buffer.alloc(64 * KiB)

type Told =
  | { readonly entry: TarEntry }
  | { readonly data: Buffer }
  | { hole: number }
  | { readonly end: true }

export interface TarTree {
  /** Where it is unpacked, for what is said of names that lead out of it. */
  readonly directory: string
  /** Whose all of it becomes; else as the tar has it. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/** Reads `source` to its end. A content that was not asked for is passed over. */
export async function* recordsOf(source: AsyncIterable<Buffer>, tree: TarTree): AsyncGenerator<FileRecord> {
  const telling = new Telling(source)
  try {
    for (let told = await telling.next(); told; told = await telling.next()) {
      if (!('entry' in told)) continue
      const entry = entryOf(told.entry, tree)
      yield entry.kind === 'file' ? { entry, content: telling.content() } : { entry }
    }
  } finally {
    await telling.close()
  }
}

/** What the reader tells, one thing at a time. */
class Telling {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #reader: TarReader
  #told: Told[] = []
  #at = 0
  #isOver = false

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]()
    this.#reader = new TarReader({
      entry: (entry) => this.#told.push({ entry }),
      data: (data) => this.#told.push({ data }),
      hole: (hole) => this.#told.push({ hole }),
      endEntry: () => this.#told.push({ end: true }),
    })
  }

  async next(): Promise<Told | undefined> {
    while (this.#at === this.#told.length) {
      if (this.#isOver) return undefined
      this.#told = []
      this.#at = 0
      const { value, done } = await this.#chunks.next()
      if (done) {
        this.#isOver = true
        this.#reader.end()
      } else this.#reader.push(value)
    }
    return this.#told[this.#at++]
  }

  /** Of the entry told last; holes are zeros. */
  async *content(): AsyncGenerator<Buffer> {
    for (let told = await this.next(); told && !('end' in told); told = await this.next()) {
      if ('data' in told) yield told.data
      if (!('hole' in told)) continue
      for (let left = told.hole; left > 0; left -= zeros.length)
        yield zeros.subarray(0, Math.min(left, zeros.length))
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}

function entryOf(entry: TarEntry, { directory, owner }: TarTree): FileEntry {
  const path = relativePath(entry.name, directory)
  const { type: kind, mode, size, linkName, deviceMajor: major, deviceMinor: minor, xattrs } = entry
  if (path === '' && kind !== 'directory') {
    throw invalid('bad_archive', `the archive's root is no directory, but a ${kind}`)
  }
  if (kind === 'symlink' && (linkName === '' || linkName.includes('\0'))) {
    throw invalid('bad_archive', `the symbolic link ${JSON.stringify(path.slice(0, 200))} leads nowhere`)
  }
  return {
    path,
    kind,
    mode,
    ...(owner ?? { uid: entry.uid, gid: entry.gid }),
    mtimeNs: BigInt(entry.mtime) * 1_000_000_000n,
    size,
    target: kind === 'link' ? linkedPath(linkName, directory) : kind === 'symlink' ? fileName(linkName) : '',
    device: { major, minor },
    xattrs: travelling(xattrs),
  }
}
