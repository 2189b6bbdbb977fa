/**
 * An image made of another: the layers of its parent, perhaps one more, and a configuration of its own. So `docker commit`
 * makes images, and so does each step of a Dockerfile.
 *
 *     parent's layers ──────────────┐
 *     tar of a further layer ───────┼──> content store ──> verify, merge ──> records, block image
 *     configuration, history's line ┘
 */
import type { ImageConfig } from '../engine/ports/images.ts'
import { exhausted, invalid, notFound } from '../lib/errors.ts'
import { blockBytes } from '../lib/tar/header.ts'
import { writeChildConfig, writeConfig } from './config.ts'
import { addImage, type CandidateLayer, finishImage, tellEvent } from './finish.ts'
import { layersMax } from './limits.ts'
import type { Parts } from './parts.ts'
import type { ImageName, StoredImage } from './records.ts'
import { familiarTag } from './reference.ts'

export interface DerivedImage {
  /** null: `FROM scratch`. */
  readonly parent: StoredImage | null
  readonly config: ImageConfig
  /** A tar, uncompressed; one without entries, or null, adds no layer. */
  readonly layer: AsyncIterable<Buffer> | null
  readonly author: string
  readonly comment: string
  readonly createdBy: string
  readonly name?: ImageName
}

/** The parent stays as long as this takes: its layers are held. */
export async function deriveImage(
  parts: Parts,
  project: string,
  derived: DerivedImage,
  { signal }: { readonly signal: AbortSignal },
): Promise<StoredImage> {
  const { parent, name } = derived
  const below = parent?.layers ?? []
  await using held = parts.content.hold(below.map(({ digest }) => digest))
  const added = derived.layer === null ? null : await storeLayer(parts, derived.layer, held, signal)
  if (added && below.length >= layersMax) {
    throw exhausted('too_many_layers', `max depth exceeded: an image has at most ${layersMax} layers`)
  }
  const text = textOf(derived, added?.digest ?? null)
  const image = await finishImage(parts, text, [...below, ...(added ? [added] : [])], { signal })
  await addImage(parts, project, image, { source: `project:${project}`, ...(name ? { tag: name } : {}) })
  if (name) tellEvent(parts, project, 'tag', image, familiarTag(name.repository, name.suffix))
  return image
}

function textOf({ parent, ...derived }: DerivedImage, diffId: string | null): string {
  const createdAt = new Date()
  if (parent) return writeChildConfig(parent, { ...derived, diffId, createdAt })
  if (diffId === null) throw invalid('no_layers', 'an image without any layer cannot be made')
  return writeConfig({ config: derived.config, diffId, comment: derived.comment, createdAt })
}

/** Of two blocks of zeros: a tar of nothing. */
const emptyTarDigest = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'

async function storeLayer(
  { content, limits }: Parts,
  layer: AsyncIterable<Buffer>,
  held: { add(digest: string): void },
  signal: AbortSignal,
): Promise<CandidateLayer | null> {
  const { digest, bytes } = await content.store(layer, {
    bytesMax: limits.imageBytesMax + limits.imageEntriesMax * 2 * blockBytes,
    signal,
    onDigest: held.add,
  })
  return digest === emptyTarDigest ? null : { digest, bytes, compression: 'none' }
}

/** Whichever project made it: containers outlive their image's names. */
export async function parentOf({ records }: Parts, id: string): Promise<StoredImage> {
  const image = await records.image(id)
  if (!image) throw notFound('no_such_image', `No such image: ${id}`)
  return image
}
