/** `docker push`: layers first, the configuration, then the manifest that makes an image of them. */
import { createGzip } from 'node:zlib'
import type { RegistryCredentials } from '../api/docker/backends.ts'
import { HummingbirdError, invalid, notFound } from '../lib/errors.ts'
import { idOf } from './config.ts'
import { nameImage, tellEvent } from './finish.ts'
import type { Parts } from './parts.ts'
import { Progress, shortDigest, type Tell } from './progress.ts'
import type { StoredImage, StoredLayer } from './records.ts'
import { familiar, familiarName, parseReference, type Reference, repositoryOf } from './reference.ts'
import { RegistryClient } from './registry/client.ts'
import { readFailure } from './registry/failure.ts'
import { mediaTypes } from './registry/manifest.ts'
import { discard } from './registry/transport.ts'
import { type Uploaded, upload } from './registry/upload.ts'
import { Slots } from './slots.ts'

const uploadsMax = 3

export interface PushOptions {
  readonly credentials?: RegistryCredentials
  readonly progress: Tell
  readonly signal: AbortSignal
}

interface Push {
  readonly parts: Parts
  readonly client: RegistryClient
  readonly reference: Reference
  readonly progress: Progress
  readonly tell: Tell
  readonly signal: AbortSignal
  readonly hold: (digest: string) => void
  /** Repositories the project has names in: those of others are not told of. */
  readonly own: ReadonlySet<string>
}

/** Without a tag, every tag of the repository. */
export async function pushImage(
  parts: Parts,
  project: string,
  name: string,
  options: PushOptions,
): Promise<void> {
  const reference = parseReference(name)
  if (reference.digest !== undefined) throw invalid('bad_reference', 'cannot push a digest reference')
  const repository = repositoryOf(reference)
  const images = await imagesToPush(parts, project, reference)
  const client = new RegistryClient(reference, {
    credentials: options.credentials,
    insecureRegistries: parts.insecureRegistries,
    actions: 'pull,push',
    idleMs: parts.limits.registryIdleMs,
    retryMs: parts.limits.registryRetryMs,
  })
  const { signal, progress: tell } = options
  await client.ping(signal)
  const progress = new Progress(tell)
  progress.line(`The push refers to repository [${repository}]`)
  const all = await parts.records.projectImages(project)
  const own = new Set(
    all.flatMap(({ tags, digests }) => [...tags, ...digests].map((name) => name.repository)),
  )
  await using held = parts.content.hold(
    images.flatMap(({ image }) => image.layers.map((layer) => layer.digest)),
  )
  for (const { tag, image } of images) {
    const digest = await pushOne(
      { parts, client, reference, progress, tell, signal, hold: held.add, own },
      tag,
      image,
    )
    await nameImage(parts, project, image.id, { digest: { repository, suffix: digest } })
    const shown = familiar({ ...reference, tag })
    tellEvent(parts, project, 'push', { id: shown, config: image.config }, familiarName(repository))
  }
}

async function imagesToPush(
  parts: Parts,
  project: string,
  reference: Reference,
): Promise<{ tag: string; image: StoredImage }[]> {
  const repository = repositoryOf(reference)
  const all = await parts.records.projectImages(project)
  const images = all.flatMap((image) =>
    image.tags
      .filter((name) => name.repository === repository && (reference.tag ?? name.suffix) === name.suffix)
      .map(({ suffix }) => ({ tag: suffix, image })),
  )
  if (images.length === 0) {
    throw notFound(
      'no_such_image',
      `An image does not exist locally with the tag: ${familiarName(repository)}`,
    )
  }
  return images
}

async function pushOne(push: Push, tag: string, image: StoredImage): Promise<string> {
  const { client, signal, tell } = push
  const slots = new Slots(uploadsMax)
  const failed = new AbortController()
  const until = AbortSignal.any([signal, failed.signal])
  for (const { diffId } of image.layers) push.progress.state(shortDigest(diffId), 'Preparing')
  const results = await Promise.allSettled(
    image.layers.map((layer) =>
      slots
        .run(() => pushLayer({ ...push, signal: until }, layer), until)
        .catch((error: unknown) => {
          if (!failed.signal.aborted) failed.abort(error)
          throw error
        }),
    ),
  )
  const broken = results.find((result) => result.status === 'rejected')
  if (broken) throw signal.aborted ? broken.reason : failed.signal.reason
  const layers = results.map((result) => (result as PromiseFulfilledResult<Pushed>).value)

  const config = Buffer.from(image.config)
  await uploadSmall(push, image.id, config)
  const { body, type } = manifestOf(config, image.id, layers)
  const answer = await client.request(client.repositoryUrl(`manifests/${tag}`), {
    method: 'PUT',
    headers: { 'content-type': type },
    body,
    signal,
  })
  if (answer.status !== 201 && answer.status !== 202) throw await readFailure(answer)
  await discard(answer)
  const digest = idOf(body)
  push.progress.line(`${tag}: digest: ${digest} size: ${body.length}`)
  tell({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: body.length } })
  return digest
}

interface Pushed {
  readonly digest: string
  readonly bytes: number
  readonly compression: 'gzip' | 'zstd'
}

async function pushLayer(push: Push, layer: StoredLayer): Promise<Pushed> {
  const { parts, client, reference, progress, signal } = push
  const id = shortDigest(layer.diffId)
  const pushed = await compressed(push, layer)
  const sources = await parts.records.blobSources(pushed.digest)
  const prefix = `${reference.domain}/`
  const mountFrom = sources
    .filter((source) => source.startsWith(prefix))
    .map((source) => source.slice(prefix.length))
  const done = await upload(
    client,
    {
      digest: pushed.digest,
      bytes: pushed.bytes,
      read: () => parts.content.read(pushed.digest),
      mountFrom: mountFrom.filter((path) => path !== reference.path),
    },
    {
      retryMs: parts.limits.registryRetryMs,
      signal,
      onProgress: (bytes) => progress.amount(id, 'Pushing', bytes, pushed.bytes),
    },
  )
  progress.state(id, howItWent(done))
  if (await parts.records.blob(pushed.digest)) {
    await parts.records.addBlobSource(pushed.digest, repositoryOf(reference))
  }
  return pushed
}

function howItWent(done: Uploaded): string {
  if (done.how === 'there') return 'Layer already exists'
  return done.how === 'mounted' ? `Mounted from ${done.from}` : 'Pushed'
}

/** Plain layers travel compressed, as dockerd sends them. */
async function compressed({ parts, signal, hold }: Push, layer: StoredLayer): Promise<Pushed> {
  const { digest, bytes, compression } = layer
  if (compression !== 'none') return { digest, bytes, compression }
  const source = parts.content.read(digest)
  const gzip = createGzip()
  source.on('error', (error) => gzip.destroy(error))
  const stored = await parts.content.store(source.pipe(gzip), {
    bytesMax: Number.MAX_SAFE_INTEGER,
    signal,
    onDigest: hold,
  })
  return { ...stored, compression: 'gzip' }
}

async function uploadSmall({ client, parts, signal }: Push, digest: string, bytes: Buffer): Promise<void> {
  await upload(
    client,
    { digest, bytes: bytes.length, read: () => once(bytes), mountFrom: [] },
    { retryMs: parts.limits.registryRetryMs, signal, onProgress() {} },
  )
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

/** Docker's manifest, which every registry takes; OCI's where zstd is in it, for which Docker's has no name. */
function manifestOf(config: Buffer, id: string, layers: readonly Pushed[]): { body: Buffer; type: string } {
  const isOci = layers.some(({ compression }) => compression === 'zstd')
  const type = isOci ? mediaTypes.ociManifest : mediaTypes.dockerManifest
  const layerType = ({ compression }: Pushed) => {
    if (compression === 'zstd') return mediaTypes.ociLayerZstd
    return isOci ? mediaTypes.ociLayerGzip : mediaTypes.dockerLayerGzip
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: type,
    config: {
      mediaType: isOci ? mediaTypes.ociConfig : mediaTypes.dockerConfig,
      size: config.length,
      digest: id,
    },
    layers: layers.map((layer) => ({ mediaType: layerType(layer), size: layer.bytes, digest: layer.digest })),
  }
  return { body: Buffer.from(JSON.stringify(manifest, null, 3)), type }
}

/** `docker login`: whether the registry takes the credentials. */
export async function logIn(
  parts: Parts,
  credentials: RegistryCredentials & { readonly serverAddress: string },
): Promise<{ status: string; identityToken: string }> {
  const host = credentials.serverAddress.replace(/^https?:\/\//, '').split('/')[0]!
  const domain = host === '' || host === 'index.docker.io' ? 'docker.io' : host
  // Any name will do to have the host checked.
  parseReference(`${domain}/x`)
  const client = new RegistryClient(
    { domain },
    {
      credentials,
      insecureRegistries: parts.insecureRegistries,
      actions: 'pull',
      idleMs: parts.limits.registryIdleMs,
      retryMs: parts.limits.registryRetryMs,
    },
  )
  try {
    return {
      status: 'Login Succeeded',
      identityToken: await client.logIn(AbortSignal.timeout(parts.limits.registryIdleMs * 2)),
    }
  } catch (error) {
    if (!(error instanceof HummingbirdError) || error.code !== 'registry_refused') throw error
    throw new HummingbirdError(error.kind, error.code, `Get "${client.origin}/v2/": ${error.message}`, {
      cause: error,
    })
  }
}
