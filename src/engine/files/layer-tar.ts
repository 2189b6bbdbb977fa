/**
 * A container's own layer as a layer of an image. What an overlay says with a device 0:0 and an attribute, a layer says with
 * names: `.wh.NAME` takes NAME away, `.wh..wh..opq` all that lower layers have in its directory.
 */
import { posix } from 'node:path'
import { invalid } from '../../lib/errors.ts'
import type { FileEntry, FileRecord } from '../ports/files.ts'
import { tarOf } from './tar-out.ts'

const prefix = '.wh.'
const opaqueName = '.wh..wh..opq'
const opaqueAttribute = 'trusted.overlay.opaque'

/** Of a layer without changes a tar without entries. */
export function layerTar(records: AsyncIterable<FileRecord>): AsyncIterable<Buffer> {
  return tarOf(layerRecords(records), (path) => path)
}

export async function* layerRecords(records: AsyncIterable<FileRecord>): AsyncGenerator<FileRecord> {
  for await (const record of records) {
    const { entry } = record
    if (entry.path === '') continue
    if (isWhiteout(entry)) {
      yield marker(entry, posix.join(posix.dirname(entry.path), `${prefix}${posix.basename(entry.path)}`))
      continue
    }
    if (posix.basename(entry.path).startsWith(prefix)) {
      throw invalid(
        'whiteout_name',
        `/${entry.path} cannot be in an image: there, names that begin with ${prefix} take files away`,
      )
    }
    yield record
    if (entry.xattrs.get(opaqueAttribute)?.toString() === 'y')
      yield marker(entry, `${entry.path}/${opaqueName}`)
  }
}

function isWhiteout({ kind, device }: FileEntry): boolean {
  return kind === 'character' && device.major === 0 && device.minor === 0
}

function marker({ mtimeNs }: FileEntry, path: string): FileRecord {
  return {
    entry: {
      path,
      kind: 'file',
      mode: 0o600,
      uid: 0,
      gid: 0,
      mtimeNs,
      size: 0,
      target: '',
      device: { major: 0, minor: 0 },
      xattrs: new Map(),
    },
  }
}
