/**
 * An image made of another: the layers of its parent, perhaps one more, and a configuration of its own. So `docker commit`
 * makes images, and so does each step of a Dockerfile.
 *
 *     parent's layers ──────────────┐
 *     tar of a further layer ───────┼──> content store ──> verify, merge ──> records, block image
 *     configuration, history's line ┘
 */
import type { ImageConfig } from '../engine/ports/images.ts'
import { exhausted, notFound } from '../lib/errors.ts'
import { blockBytes } from '../lib/tar/header.ts'
import { TarReader } from '../lib/tar/reader.ts'
import { chainOf } from './block/block-images.ts'
import { idOf, readConfig, writeChildConfig } from './config.ts'
import { addImage, finishImage, tellEvent } from './finish.ts'
import { layersMax } from './limits.ts'
import type { Parts } from './parts.ts'
import type { ImageName, StoredImage, StoredLayer } from './records.ts'
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

export interface DeriveOptions {
  readonly signal: AbortSignal
  /** The block image is left to the first container that needs one: a build makes many images and runs few of them. */
  readonly lazily?: boolean
}

/** The parent stays as long as this takes: its layers are held. */
export async function deriveImage(
  parts: Parts,
  project: string,
  derived: DerivedImage,
  { signal, lazily = false }: DeriveOptions,
): Promise<StoredImage> {
  const { parent, name } = derived
  const below = parent?.layers ?? []
  await using held = parts.content.hold(below.map(({ digest }) => digest))
  const added = derived.layer === null ? null : await storeLayer(parts, derived.layer, held, signal)
  if (added && below.length >= layersMax) {
    throw exhausted('too_many_layers', `max depth exceeded: an image has at most ${layersMax} layers`)
  }
  const layers = [...below, ...(added ? [added] : [])]
  const text = writeChildConfig(parent, { ...derived, diffId: added?.diffId ?? null, createdAt: new Date() })
  const image = lazily ? asStored(parts, text, layers) : await finishImage(parts, text, layers, { signal })
  const source = `project:${project}`
  await addImage(parts, project, image, {
    source,
    ...(parent ? { parent: parent.id } : {}),
    ...(name ? { tag: name } : {}),
  })
  if (name) tellEvent(parts, project, 'tag', image, familiarTag(name.repository, name.suffix))
  return image
}

function asStored({ limits }: Parts, config: string, layers: readonly StoredLayer[]): StoredImage {
  const bytes = layers.reduce((sum, { contentBytes }) => sum + contentBytes, 0)
  if (bytes > limits.imageBytesMax) {
    throw exhausted('image_too_large', `the files of the image have more than ${limits.imageBytesMax} bytes`)
  }
  return { id: idOf(config), config, layers, chain: chainOf(readConfig(config).diffIds) }
}

/** Of two blocks of zeros: a tar of nothing. */
const emptyTarDigest = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'

/** Reads it through on the way: what is stored is a tar within the bounds. */
async function storeLayer(
  { content, limits }: Parts,
  layer: AsyncIterable<Buffer>,
  held: { add(digest: string): void },
  signal: AbortSignal,
): Promise<StoredLayer | null> {
  const measure = new Measure(limits)
  const { digest, bytes } = await content.store(measure.through(layer), {
    bytesMax: limits.imageBytesMax + limits.imageEntriesMax * 2 * blockBytes,
    signal,
    onDigest: held.add,
  })
  if (digest === emptyTarDigest) return null
  return {
    digest,
    bytes,
    compression: 'none',
    diffId: digest,
    tarBytes: bytes,
    contentBytes: measure.contentBytes,
  }
}

class Measure {
  readonly #limits: Parts['limits']
  #entries = 0
  contentBytes = 0

  constructor(limits: Parts['limits']) {
    this.#limits = limits
  }

  async *through(tar: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const reader = new TarReader({
      entry: ({ size }) => this.#count(size),
      data() {},
      hole() {},
      endEntry() {},
    })
    for await (const chunk of tar) {
      reader.push(chunk)
      yield chunk
    }
    reader.end()
  }

  #count(bytes: number): void {
    const { imageEntriesMax, imageBytesMax } = this.#limits
    this.contentBytes += bytes
    if (++this.#entries > imageEntriesMax) {
      throw exhausted('image_too_large', `the image has more than ${imageEntriesMax} files`)
    }
    if (this.contentBytes > imageBytesMax) {
      throw exhausted('image_too_large', `the files of the image have more than ${imageBytesMax} bytes`)
    }
  }
}

/** Whichever project made it: containers outlive their image's names. */
export async function parentOf({ records }: Parts, id: string): Promise<StoredImage> {
  const image = await records.image(id)
  if (!image) throw notFound('no_such_image', `No such image: ${id}`)
  return image
}
