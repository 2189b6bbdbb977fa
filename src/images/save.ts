/**
 * `docker save`: one archive that is Docker's (`manifest.json`) and an OCI layout, as today's docker writes it. Layers are
 * as they are stored; only zstd is undone, which older dockers cannot read.
 *
 *     blobs/sha256/…  (layers, configurations, manifests)  manifest.json  index.json  oci-layout
 */
import { Readable } from 'node:stream'
import { decompressed } from '../lib/compression.ts'
import { archiveEnd, fileHeader, filePadding } from '../lib/tar/writer.ts'
import type { Catalog } from './catalog.ts'
import { idOf } from './config.ts'
import { tellEvent } from './finish.ts'
import type { Parts } from './parts.ts'
import type { ImageName, StoredImage, StoredLayer } from './records.ts'
import { familiarTag, isDigest, parseReference, repositoryOf } from './reference.ts'
import { mediaTypes } from './registry/manifest.ts'

interface Saved {
  readonly image: StoredImage
  readonly tags: ImageName[]
}

/** Rejects before anything is written when an image is not there. */
export async function saveImages(
  parts: Parts,
  catalog: Catalog,
  project: string,
  refs: readonly string[],
): Promise<Readable> {
  const saved = new Map<string, Saved>()
  for (const ref of refs) {
    const { image, tags } = await chosen(catalog, parts, project, ref)
    const entry = saved.get(image.id) ?? { image, tags: [] }
    entry.tags.push(...tags.filter((tag) => !entry.tags.some((other) => sameName(tag, other))))
    saved.set(image.id, entry)
  }
  for (const { image } of saved.values()) tellEvent(parts, project, 'save', image, image.id)
  return Readable.from(archive(parts, [...saved.values()]), { objectMode: false })
}

const sameName = (a: ImageName, b: ImageName) => a.repository === b.repository && a.suffix === b.suffix

/** A name without a tag stands for all tags of its repository; an id for the image without names. */
async function chosen(catalog: Catalog, parts: Parts, project: string, ref: string): Promise<Saved> {
  const image = await catalog.find(project, ref)
  if (isDigest(ref) || /^[0-9a-f]{64}$/.test(ref)) return { image, tags: [] }
  const reference = parseReference(ref)
  const repository = repositoryOf(reference)
  const suffix = reference.tag ?? 'latest'
  const isNamed = (await parts.records.idByTag(project, { repository, suffix })) === image.id
  return { image, tags: reference.digest === undefined && isNamed ? [{ repository, suffix }] : [] }
}

async function* archive(parts: Parts, saved: readonly Saved[]): AsyncGenerator<Buffer> {
  const { content } = parts
  await using _held = content.hold(saved.flatMap(({ image }) => image.layers.map(({ digest }) => digest)))
  const written = new Set<string>()
  const docker: object[] = []
  const oci: object[] = []
  for (const { image, tags } of saved) {
    for (const layer of image.layers) {
      const { digest, bytes } = asWritten(layer)
      if (written.has(digest)) continue
      written.add(digest)
      const source = content.read(layer.digest)
      yield* member(blobName(digest), bytes, layer.compression === 'zstd' ? decompressed(source) : source)
    }
    const config = Buffer.from(image.config)
    if (!written.has(image.id)) yield* small(blobName(image.id), config)
    written.add(image.id)
    const manifest = Buffer.from(JSON.stringify(ociManifest(image, config)))
    const digest = idOf(manifest)
    yield* small(blobName(digest), manifest)
    const layers = image.layers.map((layer) => blobName(asWritten(layer).digest))
    const names = tags.map(({ repository, suffix }) => familiarTag(repository, suffix))
    docker.push({ Config: blobName(image.id), RepoTags: names.length > 0 ? names : null, Layers: layers })
    oci.push(...ociEntries(digest, manifest.length, tags))
  }
  yield* small('manifest.json', json(docker))
  yield* small('index.json', json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: oci }))
  yield* small('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  yield archiveEnd
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const blobName = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`

function asWritten(layer: StoredLayer): { digest: string; bytes: number; mediaType: string } {
  if (layer.compression === 'zstd') {
    return { digest: layer.diffId, bytes: layer.tarBytes, mediaType: mediaTypes.ociLayer }
  }
  const mediaType = layer.compression === 'gzip' ? mediaTypes.ociLayerGzip : mediaTypes.ociLayer
  return { digest: layer.digest, bytes: layer.bytes, mediaType }
}

function ociManifest(image: StoredImage, config: Buffer): object {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: image.id, size: config.length },
    layers: image.layers.map((layer) => {
      const { digest, bytes, mediaType } = asWritten(layer)
      return { mediaType, digest, size: bytes }
    }),
  }
}

function ociEntries(digest: string, size: number, tags: readonly ImageName[]): object[] {
  const entry = { mediaType: mediaTypes.ociManifest, digest, size }
  if (tags.length === 0) return [entry]
  return tags.map(({ repository, suffix }) => ({
    ...entry,
    annotations: {
      'io.containerd.image.name': `${repository}:${suffix}`,
      'org.opencontainers.image.ref.name': suffix,
    },
  }))
}

async function* small(name: string, bytes: Buffer): AsyncGenerator<Buffer> {
  yield Buffer.concat([fileHeader(name, bytes.length), bytes, filePadding(bytes.length)])
}

async function* member(name: string, bytes: number, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield fileHeader(name, bytes)
  yield* source
  yield filePadding(bytes)
}
