/** COPY and ADD: what is copied named by its content, and the layer that it makes. */

import type { CopyCommand } from '../../images/dockerfile/instructions.ts'
import { decompressed, sniff } from '../../lib/compression.ts'
import { invalid, kindOf } from '../../lib/errors.ts'
import { blockBytes, decodeHeader } from '../../lib/tar/header.ts'
import type { Building } from '../building.ts'
import { receiveContext } from '../context.ts'
import { modeOf, ownerOf } from '../owner.ts'
import { bytesOf, type FileTree, type Overlay, type TreeNode } from '../tree.ts'
import { layerTar } from './layer.ts'
import { absoluteTarget, type LayerEntry, planCopy } from './plan.ts'
import { digestOf, type Source, selectSources } from './sources.ts'

export interface Copied {
  /** For the history; the same content copied to the same place has the same. */
  readonly comment: string
  /** `image`: what is there already, changed to what will be; `files` of the image are for names of users. */
  layer(
    image: Overlay,
    files: () => Promise<FileTree>,
  ): Promise<AsyncDisposable & { readonly content: AsyncIterable<Buffer> }>
}

const rootOwner = { uid: 0, gid: 0 }

/** Its words are expanded. Rejects with kind `invalid` in dockerd's words. */
export async function copy(
  building: Building,
  command: CopyCommand,
  { tree, workingDir }: { readonly tree: FileTree; readonly workingDir: string },
): Promise<Copied> {
  const { name, target, from, chown, chmod } = command
  refuseUrls(command)
  if (command.sources.length > 1 && !target.endsWith('/')) throw notADirectory(name)
  const isContext = from === ''
  const sources = selectSources(tree, command.sources.map(bytesOf), { instruction: name, isContext })
  if (sources.length > 1 && !target.endsWith('/')) throw notADirectory(name)
  const keepsOwners = !isContext && chown === ''
  const mode = chmod === '' ? null : modeOf(chmod)
  const path = absoluteTarget(workingDir, target)
  const digest = await digestOf(sources, { withOwners: keepsOwners })
  const flags = [chown && `--chown=${chown} `, chmod && `--chmod=${chmod} `].join('')
  return {
    comment: `${name} ${flags}${digest} in ${path} `,
    async layer(image, files) {
      const owner = chown === '' ? (keepsOwners ? null : rootOwner) : await ownerOf(await files(), chown)
      const unpacked = new AsyncDisposableStack()
      try {
        const entries: LayerEntry[] = []
        for (const source of sources) {
          const archive = name === 'ADD' && isContext ? await unpack(building, source, unpacked) : null
          const to = { path: bytesOf(path), owner: archive && chown === '' ? null : owner, mode }
          // What is in an archive goes into a directory, whatever the archive is called.
          entries.push(...planCopy(image, [archive ?? source], to))
        }
        return {
          content: layerTar(entries),
          [Symbol.asyncDispose]: () => unpacked.disposeAsync(),
        }
      } catch (error) {
        await unpacked.disposeAsync()
        throw error
      }
    },
  }
}

const notADirectory = (name: string) =>
  invalid(
    'copy_failed',
    `When using ${name} with more than one source file, the destination must be a directory and end with a /`,
  )

function refuseUrls({ name, sources }: CopyCommand): void {
  const url = sources.find((source) => /^(https?|ftp|git):\/\/|^git@/i.test(source))
  if (name !== 'ADD' || url === undefined) return
  throw invalid(
    'add_url',
    `ADD failed: ${url}: the daemon fetches nothing: download it into the build context, or in a RUN`,
  )
}

/** The tree in a local archive; null for a file that is none. */
async function unpack(
  building: Building,
  { tree, node }: Source,
  unpacked: AsyncDisposableStack,
): Promise<Source | null> {
  if (node.kind !== 'file' || !(await isArchive(tree, node))) return null
  const { limits, signal, temporaryPath } = building
  const archive = await receiveContext(decompressed(tree.content(node)), {
    path: temporaryPath(),
    limits,
    signal,
  })
  unpacked.use(archive)
  return { tree: archive, node: archive.root, name: '' }
}

/** Whether a tar begins in it, compressed or not. Rejects what may be one and cannot be read. */
async function isArchive(tree: FileTree, node: TreeNode): Promise<boolean> {
  const head = await firstBytes(tree.content(node), blockBytes)
  const compression = sniff(head)
  if (compression === 'none') return isHeader(head)
  try {
    return isHeader(await firstBytes(decompressed(tree.content(node)), blockBytes))
  } catch (error) {
    // It is something else that begins in the same way.
    if (kindOf(error) === 'invalid') return false
    throw error
  }
}

async function firstBytes(source: AsyncIterable<Buffer>, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of source) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= bytes) break
  }
  return Buffer.concat(chunks).subarray(0, bytes)
}

function isHeader(block: Buffer): boolean {
  if (block.length < blockBytes || block.every((byte) => byte === 0)) return false
  try {
    decodeHeader(block)
    return true
  } catch (error) {
    if (kindOf(error) === 'invalid') return false
    throw error
  }
}
