/** The last steps of every way an image comes: its layers are verified, its block image is made, it is recorded. */

import type { Compression } from '../lib/compression.ts'
import { invalid } from '../lib/errors.ts'
import { chainOf } from './block/block-images.ts'
import type { BuildLayer, LayerFacts } from './block/job.ts'
import { idOf, readConfig } from './config.ts'
import type { Parts } from './parts.ts'
import type { ImageName, StoredImage, StoredLayer } from './records.ts'

/** A layer in the content store, its digest verified, what is in it not yet. */
export interface CandidateLayer {
  readonly digest: string
  readonly bytes: number
  readonly compression: Compression
}

export interface FinishOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (layer: number, bytes: number) => void
}

/** The caller holds the layers' blobs. Rejects with kind `invalid` when they are not what the configuration says. */
export async function finishImage(
  { records, blocks, content }: Parts,
  config: string,
  candidates: readonly CandidateLayer[],
  options: FinishOptions = {},
): Promise<StoredImage> {
  const { diffIds } = readConfig(config)
  if (diffIds.length !== candidates.length) {
    throw invalid(
      'layer_count',
      `layers from manifest don't match image configuration: there are ${candidates.length}, not ${diffIds.length}`,
    )
  }
  const known = await Promise.all(candidates.map((layer) => records.blob(layer.digest)))
  const layers = candidates.map((layer, i): BuildLayer => {
    const diffId = diffIds[i]!
    if (known[i] && known[i].diffId !== diffId) {
      throw invalid(
        'wrong_diff_id',
        `layers from manifest don't match image configuration: a layer is ${known[i].diffId}, not ${diffId}`,
      )
    }
    // A plain layer was hashed when it was stored.
    const isHashed = known[i] !== null || (layer.compression === 'none' && layer.digest === diffId)
    return { path: content.path(layer.digest), compression: layer.compression, diffId, hash: !isHashed }
  })
  const made = await blocks.make(layers, options)
  const facts = made ?? (await verifyUnknown(blocks.verify.bind(blocks), layers, known, options))
  return {
    id: idOf(config),
    config,
    chain: chainOf(diffIds),
    layers: candidates.map((layer, i) => known[i] ?? { ...layer, diffId: diffIds[i]!, ...facts[i]! }),
  }
}

/** The block image was there: layers not seen before must still be what they are said to be, or who names them gets others' bytes. */
async function verifyUnknown(
  verify: (layers: readonly BuildLayer[], options: FinishOptions) => Promise<LayerFacts[]>,
  layers: readonly BuildLayer[],
  known: readonly (StoredLayer | null)[],
  { signal, onProgress }: FinishOptions,
): Promise<(LayerFacts | undefined)[]> {
  const unknown = layers.flatMap((_, i) => (known[i] ? [] : [i]))
  if (unknown.length === 0) return []
  const facts = await verify(
    unknown.map((i) => layers[i]!),
    {
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress: (layer, bytes) => onProgress(unknown[layer]!, bytes) } : {}),
    },
  )
  const all: (LayerFacts | undefined)[] = []
  for (const [at, i] of unknown.entries()) all[i] = facts[at]
  return all
}

export interface NewNames {
  readonly tag?: ImageName
  readonly digest?: ImageName
}

/** Records the image and its names. `source`: see ImageRecords.blobSources. */
export async function addImage(
  parts: Parts,
  project: string,
  image: StoredImage,
  names: NewNames & { readonly source: string; readonly parent?: string },
): Promise<void> {
  await parts.changes.run(() => parts.records.add({ project, image, ...names }))
}

/** Names an image that the project has. Says nothing of where its layers came from. */
export async function nameImage(parts: Parts, project: string, id: string, names: NewNames): Promise<void> {
  await parts.changes.run(async () => {
    if (names.tag) await parts.records.setTag(project, names.tag, id)
    if (names.digest) await parts.records.setDigest(project, names.digest, id)
  })
}

export function tellEvent(
  parts: Parts,
  project: string,
  action: string,
  image: { readonly id: string; readonly config: string },
  name: string,
): void {
  parts.events(project, action, image.id, { ...readConfig(image.config).config.Labels, name })
}
