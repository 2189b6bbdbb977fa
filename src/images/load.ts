/** `docker load`. */
import type { Readable } from 'node:stream'
import { sniffFile } from '../lib/compression.ts'
import { invalid } from '../lib/errors.ts'
import { type ArchivedImage, readArchive } from './archive/layouts.ts'
import { type Spool, spool } from './archive/spool.ts'
import { decodeConfig, idOf, readConfig } from './config.ts'
import { addImage, type CandidateLayer, finishImage, nameImage, tellEvent } from './finish.ts'
import type { Parts } from './parts.ts'
import { Progress, shortDigest, type Tell } from './progress.ts'
import { familiar, repositoryOf } from './reference.ts'

export interface LoadOptions {
  readonly progress: Tell
  readonly signal: AbortSignal
}

/** Images that were loaded before one that fails stay. */
export async function loadImages(
  parts: Parts,
  project: string,
  source: Readable,
  options: LoadOptions,
): Promise<void> {
  const { signal } = options
  await using archive = await spool(parts.content, source, { bytesMax: parts.limits.archiveBytesMax, signal })
  const stored = new Map<string, CandidateLayer>()
  await using held = parts.content.hold([])
  for (const image of await readArchive(archive)) {
    await loadImage({ parts, project, archive, stored, hold: held.add, ...options }, image)
  }
}

interface Loading extends LoadOptions {
  readonly parts: Parts
  readonly project: string
  readonly archive: Spool
  /** Layers of images of the archive that came before, by their names in it. */
  readonly stored: Map<string, CandidateLayer>
  readonly hold: (digest: string) => void
}

async function loadImage(loading: Loading, archived: ArchivedImage): Promise<void> {
  const { parts, project, progress, signal } = loading
  const config = decodeConfig(archived.config)
  const file = readConfig(config)
  if (file.os !== '' && file.os !== 'linux') {
    throw invalid('wrong_platform', `cannot load ${file.os} image on linux`)
  }
  const id = idOf(config)
  if (!(await parts.records.projectImage(project, id))) {
    const candidates: CandidateLayer[] = []
    for (const [i, layer] of archived.layers.entries()) {
      candidates.push(await storeLayer(loading, layer, file.diffIds[i] ?? id))
    }
    const image = await finishImage(parts, config, candidates, { signal })
    await addImage(parts, project, image, { source: `project:${project}` })
  }
  for (const reference of archived.names) await giveName(loading, reference, id)
  if (archived.names.length === 0) progress({ stream: `Loaded image ID: ${id}\n` })
  tellEvent(parts, project, 'load', { id, config }, id)
}

async function giveName(
  { parts, project, progress }: Loading,
  reference: ArchivedImage['names'][number],
  id: string,
): Promise<void> {
  const tag = { repository: repositoryOf(reference), suffix: reference.tag! }
  const old = await parts.records.idByTag(project, tag)
  if (old !== null && old !== id) {
    progress({
      stream: `The image ${familiar(reference)} already exists, renaming the old one with ID ${old} to empty string\n`,
    })
  }
  await nameImage(parts, project, id, { tag })
  progress({ stream: `Loaded image: ${familiar(reference)}\n` })
}

async function storeLayer(
  { parts, archive, stored, hold, progress, signal }: Loading,
  layer: ArchivedImage['layers'][number],
  shownAs: string,
): Promise<CandidateLayer> {
  const known = stored.get(layer.name)
  if (known) return known
  const total = archive.bytes(layer.name)
  if (layer.bytes !== undefined && layer.bytes !== total) {
    throw invalid(
      'bad_archive',
      `the archive cannot be loaded: ${layer.digest} has ${total} bytes, not ${layer.bytes}`,
    )
  }
  const told = new Progress(progress)
  const counted = async function* () {
    let current = 0
    for await (const chunk of archive.read(layer.name)) {
      yield chunk
      current += chunk.length
      told.amount(shortDigest(shownAs), 'Loading layer', current, total)
    }
  }
  const { digest, bytes } = await parts.content.store(counted(), {
    ...(layer.digest === undefined ? {} : { digest: layer.digest }),
    bytesMax: total,
    signal,
    onDigest: hold,
  })
  const candidate = { digest, bytes, compression: await sniffFile(parts.content.path(digest)) }
  stored.set(layer.name, candidate)
  return candidate
}
