/** `docker import`: a root file system as a tar becomes an image of one layer. */
import type { Readable } from 'node:stream'
import { decompressed } from '../lib/compression.ts'
import { invalid } from '../lib/errors.ts'
import { blockBytes } from '../lib/tar/header.ts'
import { emptyConfig, writeConfig } from './config.ts'
import { applyChanges } from './dockerfile/changes.ts'
import { addImage, finishImage, tellEvent } from './finish.ts'
import type { Parts } from './parts.ts'
import type { ImageName } from './records.ts'
import { defaultTag, familiarTag, parseReference, repositoryOf } from './reference.ts'

export interface ImportOptions {
  readonly reference?: string
  readonly message: string
  readonly changes: readonly string[]
  readonly signal: AbortSignal
}

export async function importImage(
  parts: Parts,
  project: string,
  source: Readable,
  options: ImportOptions,
): Promise<string> {
  const name = options.reference === undefined ? undefined : newName(options.reference)
  const config = applyChanges(emptyConfig, options.changes)
  await using held = parts.content.hold([])
  const { imageBytesMax, imageEntriesMax } = parts.limits
  const { digest, bytes } = await parts.content.store(decompressed(source), {
    bytesMax: imageBytesMax + imageEntriesMax * 2 * blockBytes,
    signal: options.signal,
    onDigest: held.add,
  })
  const text = writeConfig({ config, diffId: digest, comment: options.message, createdAt: new Date() })
  const image = await finishImage(parts, text, [{ digest, bytes, compression: 'none' }], {
    signal: options.signal,
  })
  await addImage(parts, project, image, { source: `project:${project}`, ...(name ? { tag: name } : {}) })
  if (name) tellEvent(parts, project, 'tag', image, familiarTag(name.repository, name.suffix))
  tellEvent(parts, project, 'import', image, image.id)
  return image.id
}

/** Rejects in dockerd's words what cannot name a new image. */
export function newName(text: string, refusal = 'cannot import digest reference'): ImageName {
  const reference = parseReference(text)
  if (reference.digest !== undefined) throw invalid('bad_reference', refusal)
  return { repository: repositoryOf(reference), suffix: reference.tag ?? defaultTag }
}
