/** The two ways archives of images are laid out: Docker's `manifest.json`, and OCI's `index.json` with blobs by digest. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { invalid } from '../../lib/errors.ts'
import { readJson } from '../json.ts'
import { configBytesMax, layersMax, manifestBytesMax, manifestDepthMax } from '../limits.ts'
import { parseReference, type Reference } from '../reference.ts'
import { type ImageManifest, ourPlatform, parseManifest, pickManifest } from '../registry/manifest.ts'
import type { Spool } from './spool.ts'

export interface ArchivedImage {
  readonly config: Buffer
  /** Names in the archive, lowest first; the digest if the layout says it. */
  readonly layers: readonly { readonly name: string; readonly digest?: string; readonly bytes?: number }[]
  readonly names: readonly Reference[]
}

const imagesMax = 1_000
const bad = (why: string) => invalid('bad_archive', `the archive cannot be loaded: ${why}`)

export async function readArchive(spool: Spool): Promise<ArchivedImage[]> {
  if (spool.has('manifest.json')) return readDocker(spool)
  if (spool.has('index.json')) return readOci(spool)
  throw bad('it holds neither manifest.json nor index.json; a root file system is for import, not for load')
}

const dockerSchema = z
  .array(
    z.looseObject({
      Config: z.string(),
      RepoTags: z.array(z.string()).max(1_000).nullish(),
      Layers: z.array(z.string()).max(layersMax).nullish(),
    }),
  )
  .min(1)
  .max(imagesMax)

async function readDocker(spool: Spool): Promise<ArchivedImage[]> {
  const text = (await spool.readWhole('manifest.json', manifestBytesMax)).toString('utf8')
  const images: ArchivedImage[] = []
  for (const { Config, RepoTags, Layers } of readJson(text, dockerSchema, bad)) {
    images.push({
      config: await spool.readWhole(Config, configBytesMax),
      layers: (Layers ?? []).map((name) => ({ name })),
      names: (RepoTags ?? []).map(tagName),
    })
  }
  return images
}

function tagName(text: string): Reference {
  const reference = parseReference(text)
  if (reference.tag === undefined) throw bad(`invalid tag ${JSON.stringify(text)}`)
  return reference
}

const indexSchema = z.looseObject({
  manifests: z
    .array(
      z.looseObject({
        mediaType: z.string().default(''),
        digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
        platform: z.looseObject({ os: z.string().default('') }).optional(),
        annotations: z.record(z.string(), z.string()).optional(),
      }),
    )
    .min(1)
    .max(imagesMax),
})

async function readOci(spool: Spool): Promise<ArchivedImage[]> {
  const text = (await spool.readWhole('index.json', manifestBytesMax)).toString('utf8')
  const images: ArchivedImage[] = []
  for (const entry of readJson(text, indexSchema, bad).manifests) {
    // Signatures and the like.
    if (entry.platform?.os === 'unknown') continue
    const manifest = await readManifest(spool, entry)
    images.push({
      config: await readBlob(spool, manifest.config.digest, configBytesMax),
      layers: manifest.layers.map(({ digest, size }) => ({ name: blobName(digest), digest, bytes: size })),
      names: annotatedName(entry.annotations ?? {}),
    })
  }
  return images
}

async function readManifest(
  spool: Spool,
  entry: { digest: string; mediaType: string },
): Promise<ImageManifest> {
  let { digest, mediaType } = entry
  for (let depth = 0; depth < manifestDepthMax; depth++) {
    const parsed = parseManifest(await readBlob(spool, digest, manifestBytesMax), mediaType, digest)
    if (parsed.kind === 'image') return parsed
    ;({ digest, mediaType } = pickManifest(parsed, ourPlatform))
  }
  throw bad('lists of images are nested too deep')
}

async function readBlob(spool: Spool, digest: string, bytesMax: number): Promise<Buffer> {
  const bytes = await spool.readWhole(blobName(digest), bytesMax)
  if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest)
    throw bad(`${digest} has other contents`)
  return bytes
}

const blobName = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`

/** containerd writes the whole name; `ref.name` alone may be only a tag, which names nothing. */
function annotatedName(annotations: Readonly<Record<string, string>>): Reference[] {
  const text =
    annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'] ?? ''
  return /[:/]/.test(text) ? [tagName(text)] : []
}
