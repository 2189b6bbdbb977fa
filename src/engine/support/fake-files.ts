/** Files of containers, in memory: each container is one flat table of paths, without symlinks followed or rights asked. */
import { invalid } from '../../lib/errors.ts'
import type { FileChange, FileEntry, FileRecord, PathStat, SandboxFiles } from '../ports/files.ts'

interface FakeFile {
  readonly entry: FileEntry
  readonly content: Buffer
}

const root: FileEntry = {
  ...{ path: '', kind: 'directory', mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n, size: 0, target: '' },
  ...{ device: { major: 0, minor: 0 }, xattrs: new Map() },
}

const failed = (path: string, errno: string) =>
  invalid('file_error', `${path}: ${errno}`, { details: { errno } })
const join = (directory: string, path: string) => (directory === '' ? path : `${directory}/${path}`)
const relative = (path: string) => path.split('/').filter(Boolean).join('/')

export class FakeFiles implements SandboxFiles {
  /** By container, then by path without a leading slash. */
  readonly tables = new Map<string, Map<string, FakeFile>>()

  async stat(container: string, path: string): Promise<PathStat> {
    const { entry } = this.#file(container, path)
    return { entry: { ...entry, path: '' }, resolved: entry.kind === 'symlink' ? entry.target : '' }
  }

  async *read(container: string, path: string): AsyncGenerator<FileRecord> {
    const top = relative(path)
    yield record({ ...this.#file(container, path), path: '' })
    const below = top === '' ? '' : `${top}/`
    for (const [name, file] of [...this.#table(container)].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (name !== '' && name.startsWith(below)) yield record({ ...file, path: name.slice(below.length) })
    }
  }

  async write(container: string, path: string, records: AsyncIterable<FileRecord>): Promise<void> {
    const table = this.#table(container)
    for await (const { entry, content } of records) {
      const chunks: Buffer[] = []
      for await (const chunk of content ?? []) chunks.push(chunk)
      table.set(join(relative(path), entry.path), { entry, content: Buffer.concat(chunks) })
    }
  }

  async *changes(container: string): AsyncGenerator<FileChange> {
    for (const path of [...this.#table(container).keys()].sort())
      if (path !== '') yield { path: `/${path}`, kind: 'added' }
  }

  layer(container: string): AsyncIterable<FileRecord> {
    return this.read(container, '/')
  }

  #table(container: string): Map<string, FakeFile> {
    let table = this.tables.get(container)
    if (!table) {
      table = new Map([['', { entry: root, content: Buffer.alloc(0) }]])
      this.tables.set(container, table)
    }
    return table
  }

  #file(container: string, path: string): FakeFile {
    const file = this.#table(container).get(relative(path))
    if (!file) throw failed(path, 'ENOENT')
    return file
  }
}

function record({ entry, content, path }: FakeFile & { readonly path: string }): FileRecord {
  if (entry.kind !== 'file') return { entry: { ...entry, path } }
  return {
    entry: { ...entry, path },
    content: (async function* () {
      yield content
    })(),
  }
}
