/** The working directory of a new container, made when it is missing: dockerd does so when it makes the container. */
import { hasCode } from '../../lib/errors.ts'
import type { FileRecord, SandboxFiles } from '../ports/files.ts'
import type { StoredContainer } from '../ports/store.ts'
import { errnoOf } from './errors.ts'

export async function makeWorkingDirectory(
  files: SandboxFiles,
  { id, spec }: StoredContainer,
): Promise<void> {
  if (spec.workingDir === '' || spec.workingDir === '/' || spec.readonlyRoot) return
  try {
    await files.stat(id, spec.workingDir)
  } catch (error) {
    if (!hasCode(error, 'file_error') || errnoOf(error) !== 'ENOENT') return
    await files.write(id, '/', records(spec.workingDir))
  }
}

async function* records(path: string): AsyncGenerator<FileRecord> {
  yield {
    entry: {
      path: path.replace(/^\/+/, ''),
      kind: 'directory',
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtimeNs: BigInt(Date.now()) * 1_000_000n,
      size: 0,
      target: '',
      device: { major: 0, minor: 0 },
      xattrs: new Map(),
    },
  }
}
