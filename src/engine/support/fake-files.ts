/** The files of a container in memory, by path without a leading slash. Symbolic links are followed when they are absolute. */
import { posix } from 'node:path'
import { invalid } from '../../lib/errors.ts'
import type { FileChange, FileEntry, FileRecord, PathStat, SandboxFiles } from '../ports/files.ts'

export interface FakeFile {
  readonly entry: FileEntry
  readonly content: Buffer
}

export function fakeEntry(path: string, more: Partial<FileEntry> = {}): FileEntry {
  return {
    path,
    kind: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeNs: 1_700_000_000_000_000_000n,
    size: 0,
    target: '',
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
    ...more,
  }
}

export class FakeFiles implements SandboxFiles {
  readonly files = new Map<string, FakeFile>()
  /** Awaited before each call; may throw. */
  onCall: (what: 'stat' | 'read' | 'write' | 'changes' | 'layer', path: string) => void | Promise<void> =
    () => {}
  changed: FileChange[] = []
  ownLayer: FileRecord[] = []

  constructor() {
    this.directory('')
  }

  directory(path: string, mode = 0o755): this {
    this.files.set(path, { entry: fakeEntry(path, { kind: 'directory', mode }), content: Buffer.alloc(0) })
    return this
  }

  file(path: string, text: string, more: Partial<FileEntry> = {}): this {
    const content = Buffer.from(text)
    this.files.set(path, { entry: fakeEntry(path, { size: content.length, ...more }), content })
    return this
  }

  symlink(path: string, target: string): this {
    const entry = fakeEntry(path, { kind: 'symlink', mode: 0o777, target })
    this.files.set(path, { entry, content: Buffer.alloc(0) })
    return this
  }

  async stat(_container: string, path: string): Promise<PathStat> {
    await this.onCall('stat', path)
    const { entry } = this.#find(path)
    return { entry: { ...entry, path: '' }, resolved: entry.kind === 'symlink' ? entry.target : '' }
  }

  async *read(_container: string, path: string): AsyncGenerator<FileRecord> {
    await this.onCall('read', path)
    const top = this.#find(path).entry.path
    for (const [at, { entry, content }] of [...this.files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (at !== top && !(top === '' ? at !== '' : at.startsWith(`${top}/`))) continue
      const own = { ...entry, path: at === top ? '' : at.slice(top === '' ? 0 : top.length + 1) }
      yield entry.kind === 'file' ? { entry: own, content: once(content) } : { entry: own }
    }
  }

  async write(
    _container: string,
    path: string,
    records: AsyncIterable<FileRecord>,
    { noOverwrite = false }: { noOverwrite?: boolean } = {},
  ): Promise<void> {
    await this.onCall('write', path)
    const top = this.#find(path).entry
    if (top.kind !== 'directory') throw fileError('ENOTDIR')
    for await (const { entry, content } of records) {
      const at = [top.path, entry.path].filter((part) => part !== '').join('/')
      const chunks: Buffer[] = []
      for await (const chunk of content ?? []) chunks.push(Buffer.from(chunk))
      const there = this.files.get(at)?.entry.kind
      const clashes = there !== undefined && (there === 'directory') !== (entry.kind === 'directory')
      if (clashes && noOverwrite) throw fileError('EEXIST')
      this.files.set(at, { entry: { ...entry, path: at }, content: Buffer.concat(chunks) })
    }
  }

  async *changes(): AsyncGenerator<FileChange> {
    await this.onCall('changes', '/')
    yield* this.changed
  }

  async *layer(): AsyncGenerator<FileRecord> {
    await this.onCall('layer', '/')
    yield* this.ownLayer
  }

  text(path: string): string | undefined {
    return this.files.get(path)?.content.toString()
  }

  #find(path: string): FakeFile {
    const file = this.files.get(posix.resolve('/', path).slice(1))
    if (!file) throw fileError('ENOENT')
    return file
  }
}

export const fileError = (errno: string) => invalid('file_error', `a file: ${errno}`, { details: { errno } })

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  if (content.length > 0) yield content
}
