/** Manifests and lists of them, OCI's and Docker's: read strictly, because what one reader takes for a list another may take for an image. */
import { z } from 'zod'
import { invalid, notFound } from '../../lib/errors.ts'
import { readJson } from '../json.ts'
import { layersMax } from '../limits.ts'

export const mediaTypes = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const

export const acceptedTypes: readonly string[] = [
  mediaTypes.ociIndex,
  mediaTypes.dockerList,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifest,
]

const configTypes: readonly string[] = [mediaTypes.dockerConfig, mediaTypes.ociConfig]
const layerType =
  /^application\/vnd\.(docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.(gzip|zstd))?|oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+(gzip|zstd))?)$/

const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
})
export type Descriptor = z.output<typeof descriptor>

const platform = z.looseObject({
  os: z.string().default(''),
  architecture: z.string().default(''),
  variant: z.string().optional(),
})

const schema = z.looseObject({
  schemaVersion: z.number(),
  mediaType: z.string().optional(),
  config: descriptor.optional(),
  layers: z.array(descriptor).max(layersMax, `an image can have ${layersMax} layers at most`).optional(),
  manifests: z
    .array(descriptor.extend({ platform: platform.optional() }))
    .max(1_000)
    .optional(),
  fsLayers: z.unknown().optional(),
})

export interface ImageManifest {
  readonly kind: 'image'
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

export interface ManifestIndex {
  readonly kind: 'index'
  readonly manifests: readonly (Descriptor & { platform?: Platform | undefined })[]
}

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
}

const bad = (why: string) => invalid('bad_manifest', `the manifest cannot be used: ${why}`)

/** `contentType`: as the registry or the descriptor says; '' if nothing did. `name` is for messages. */
export function parseManifest(
  body: Buffer,
  contentType: string,
  name: string,
): ImageManifest | ManifestIndex {
  const parsed = readJson(body.toString('utf8'), schema, bad)
  const { schemaVersion, mediaType, config, layers, manifests, fsLayers } = parsed
  if (schemaVersion === 1 || fsLayers !== undefined || contentType.includes('distribution.manifest.v1')) {
    throw invalid(
      'schema1',
      `[DEPRECATION NOTICE] Docker Image manifest version 2, schema 1 is not supported: ask the author of ${name} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2`,
    )
  }
  if (schemaVersion !== 2) throw bad(`its schemaVersion is ${schemaVersion}`)
  const isKnown = acceptedTypes.includes(contentType)
  if (mediaType !== undefined && isKnown && mediaType !== contentType) {
    throw bad(`it calls itself ${mediaType}, but it came as ${contentType}`)
  }
  const type = mediaType ?? (isKnown ? contentType : undefined)
  const isIndex =
    type === undefined
      ? manifests !== undefined
      : type === mediaTypes.ociIndex || type === mediaTypes.dockerList
  if (type !== undefined && !acceptedTypes.includes(type))
    throw bad(`its media type ${type} is not supported`)
  if (manifests !== undefined && (layers !== undefined || config !== undefined)) {
    throw bad('it is both an image and a list of images')
  }
  if (isIndex) {
    if (!manifests) throw bad('it is a list without a list')
    return { kind: 'index', manifests }
  }
  if (!config || !layers) throw bad('it has no configuration or no layers')
  checkTypes(config, layers)
  return { kind: 'image', config, layers }
}

function checkTypes(config: Descriptor, layers: readonly Descriptor[]): void {
  if (!configTypes.includes(config.mediaType)) {
    throw bad(`its configuration has the media type ${config.mediaType}, so it is no container image`)
  }
  const strange = layers.find(({ mediaType }) => !layerType.test(mediaType))
  if (strange) throw bad(`the media type ${strange.mediaType} of a layer is not supported`)
}

export const ourPlatform: Platform = { os: 'linux', architecture: 'amd64' }

const aliases: Readonly<Record<string, string>> = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64' }

/** `linux/amd64`, `linux/arm64/v8`, `amd64`; rejects with kind `invalid` what is none. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/')
  const [os, architecture, variant] = parts.length === 1 && parts[0] !== 'linux' ? ['linux', ...parts] : parts
  if (
    parts.length > 3 ||
    !/^[a-z0-9_-]+$/.test(os ?? '') ||
    parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))
  ) {
    throw invalid(
      'bad_platform',
      `${JSON.stringify(text)} is an invalid component of ${JSON.stringify(text)}: platform specifier must be os/architecture/variant`,
    )
  }
  const known = aliases[architecture ?? ''] ?? architecture ?? ourPlatform.architecture
  return { os: os!, architecture: known, ...(variant === undefined ? {} : { variant }) }
}

export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant ? [variant] : [])].join('/')

export const isOurs = ({ os, architecture }: Platform): boolean =>
  os === ourPlatform.os && architecture === ourPlatform.architecture

/** The image for this host; rejects in dockerd's words when the list has none. */
export function pickManifest(index: ManifestIndex, wanted: Platform): Descriptor {
  const ours = isOurs(wanted)
    ? index.manifests.filter((entry) => entry.platform && isOurs(entry.platform))
    : []
  const exact = ours.find((entry) => (entry.platform?.variant ?? '') === (wanted.variant ?? ''))
  // Tools that make one image leave its platform out.
  const unnamed = isOurs(wanted) ? index.manifests.find((entry) => !entry.platform) : undefined
  const picked = exact ?? ours[0] ?? unnamed
  if (!picked) {
    throw notFound(
      'no_matching_manifest',
      `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`,
    )
  }
  return picked
}
