/** The entries of a plan as the tar of a layer. */
import { encodeHeader } from '../../lib/tar/encode.ts'
import { archiveEnd, filePadding } from '../../lib/tar/writer.ts'
import { KiB } from '../../lib/units.ts'
import type { LayerEntry } from './plan.ts'

/** Small files are gathered into pieces of about this size. */
const pieceBytes = 64 * KiB

/** Of attributes, those that mean something in another system too. */
const travels = (name: string) => name === 'security.capability' || name.startsWith('user.')

export async function* layerTar(entries: readonly LayerEntry[]): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  let bytes = 0
  for await (const chunk of pieces(entries)) {
    if (bytes === 0 && chunk.length >= pieceBytes) {
      yield chunk
      continue
    }
    waiting.push(chunk)
    bytes += chunk.length
    if (bytes < pieceBytes) continue
    yield Buffer.concat(waiting, bytes)
    waiting = []
    bytes = 0
  }
  yield Buffer.concat([...waiting, archiveEnd])
}

async function* pieces(entries: readonly LayerEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const { node, tree } = entry
    yield headerOf(entry)
    if (node.kind !== 'file' || entry.link !== null || !tree) continue
    // A node of a tree is asked for its content by that same tree.
    yield* tree.content(entry.node as Parameters<typeof tree.content>[0])
    yield filePadding(node.size)
  }
}

function headerOf({ path, node, link }: LayerEntry): Buffer {
  const isContent = node.kind === 'file' && link === null
  return encodeHeader({
    name: node.kind === 'directory' ? `${path}/` : path,
    type: link === null ? node.kind : 'link',
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    size: isContent ? node.size : 0,
    mtime: node.mtime,
    linkName: link ?? (node.kind === 'symlink' ? node.target : ''),
    deviceMajor: node.device.major,
    deviceMinor: node.device.minor,
    xattrs: new Map([...node.xattrs].filter(([name]) => travels(name))),
  })
}
