/**
 * /etc/hosts and /etc/resolv.conf of a container that runs, after it was connected to a network or taken out of one. As Docker:
 * what a program in the container has changed itself is left alone.
 */
import { messageOf } from '../../lib/errors.ts'
import type { EngineContext } from '../context.ts'
import { hostsFiles } from '../create/hosts-files.ts'
import type { ContainerPort } from '../model.ts'
import type { ContainerOwner } from '../owner.ts'
import type { FileRecord, SandboxFiles } from '../ports/files.ts'
import type { GuestFile } from '../ports/sandbox.ts'

/** Longer ones are a program's own. */
const bytesMax = 65_536

/** Its ports are now other than `before`. A guest that cannot be told keeps its files until the next start, which a warning says. */
export async function rewriteHostFiles(
  context: EngineContext,
  owner: ContainerOwner,
  before: readonly ContainerPort[],
): Promise<void> {
  const { container } = owner
  try {
    const resolvConf = await context.options.networks.resolvConf()
    const filesOf = (ports: readonly ContainerPort[]) =>
      hostsFiles(container.spec, { ports, linked: [], resolvConf })
    const old = filesOf(before)
    const { files } = owner.run!.sandbox!
    for (const [at, file] of filesOf(container.ports).entries()) {
      const told = old[at]!.content
      if (file.content === told || (await contentOf(files, container.id, file.path)) !== told) continue
      await files.write(container.id, '/etc', recordsOf(file))
    }
  } catch (error) {
    context.log.warn(
      { container: owner.id, error: messageOf(error) },
      'a container could not be told of its networks in its /etc/hosts and /etc/resolv.conf',
    )
  }
}

async function contentOf(files: SandboxFiles, container: string, path: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const { content } of files.read(container, path)) {
    for await (const chunk of content ?? []) {
      bytes += chunk.length
      if (bytes <= bytesMax) chunks.push(chunk)
    }
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function* recordsOf({ path, mode, content }: GuestFile): AsyncGenerator<FileRecord> {
  const bytes = Buffer.from(content)
  yield {
    entry: {
      path: path.replace(/^\/etc\//, ''),
      kind: 'file',
      mode,
      uid: 0,
      gid: 0,
      mtimeNs: BigInt(Date.now()) * 1_000_000n,
      size: bytes.length,
      target: '',
      device: { major: 0, minor: 0 },
      xattrs: new Map(),
    },
    content: (async function* () {
      yield bytes
    })(),
  }
}
