/**
 * `docker pull`.
 *
 *     manifest ──(a list: the one for this host)──> configuration ──> layers, three at a time ──> verify, merge, record
 *
 * What fails leaves no image and no blobs; blobs are held until the image is recorded.
 */
import type { RegistryCredentials } from '../api/docker/backends.ts'
import { exhausted, HummingbirdError, invalid, notFound } from '../lib/errors.ts'
import { decodeConfig, readConfig } from './config.ts'
import { addImage, finishImage, nameImage, tellEvent } from './finish.ts'
import type { Layers } from './layers.ts'
import { configBytesMax, manifestDepthMax } from './limits.ts'
import type { Parts } from './parts.ts'
import { Progress, shortDigest, type Tell } from './progress.ts'
import {
  defaultTag,
  familiar,
  familiarName,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from './reference.ts'
import { RegistryClient } from './registry/client.ts'
import type { FailureDetails } from './registry/failure.ts'
import {
  formatPlatform,
  type ImageManifest,
  isOurs,
  ourPlatform,
  type Platform,
  parseManifest,
  parsePlatform,
  pickManifest,
} from './registry/manifest.ts'

export interface PullOptions {
  readonly credentials?: RegistryCredentials
  readonly platform?: string
  readonly allTags?: boolean
  readonly progress: Tell
  readonly signal: AbortSignal
}

interface Pull {
  readonly parts: Parts
  readonly layers: Layers
  readonly project: string
  readonly client: RegistryClient
  readonly progress: Progress
  readonly platform: Platform
  readonly signal: AbortSignal
}

export async function pullImage(
  parts: Parts,
  layers: Layers,
  project: string,
  name: string,
  options: PullOptions,
): Promise<void> {
  const given = parseReference(name)
  const platform = options.platform ? parsePlatform(options.platform) : ourPlatform
  const client = new RegistryClient(given, {
    credentials: options.credentials,
    insecureRegistries: parts.insecureRegistries,
    actions: 'pull',
    idleMs: parts.limits.registryIdleMs,
    retryMs: parts.limits.registryRetryMs,
  })
  const { signal } = options
  const pull = { parts, layers, project, client, progress: new Progress(options.progress), platform, signal }
  await inDockerdsWords(given, async () => {
    await client.ping(signal)
    if (!options.allTags) return pullOne(pull, withDefaultTag(given))
    for (const tag of await client.tags(signal))
      await pullOne(pull, parseReference(`${repositoryOf(given)}:${tag}`))
  })
}

async function pullOne(pull: Pull, reference: Reference): Promise<void> {
  const { parts, project, client, progress, signal } = pull
  const repository = repositoryOf(reference)
  const what = reference.digest ?? reference.tag ?? defaultTag
  const { manifest, digest } = await findManifest(pull, reference, what)
  progress.line(`Pulling from ${reference.path}`, what)

  const before =
    reference.digest === undefined ? await parts.records.idByTag(project, { repository, suffix: what }) : null
  const id = manifest.config.digest
  const names = {
    digest: { repository, suffix: digest },
    // With a digest, a tag is only a remark.
    ...(reference.digest === undefined ? { tag: { repository, suffix: what } } : {}),
    source: repository,
  }
  const known = await parts.records.projectImage(project, id)
  if (known) await nameImage(parts, project, known.id, names)
  else {
    const config = decodeConfig(await client.smallBlob(id, configBytesMax, signal))
    checkPlatform(config, pull.platform)
    await using _held = parts.content.hold(manifest.layers.map((layer) => layer.digest))
    const candidates = await pull.layers.fetch(pull, repository, manifest.layers)
    const image = await finishImage(parts, config, candidates, {
      signal,
      onProgress: (layer, bytes) => {
        const { digest, size } = manifest.layers[layer]!
        progress.amount(shortDigest(digest), 'Extracting', bytes, size)
      },
    })
    pull.layers.tellDone(progress, manifest.layers)
    await addImage(parts, project, image, names)
  }
  progress.line(`Digest: ${digest}`)
  const isNew = reference.digest === undefined ? before !== id : known === null
  const shown = familiar(reference)
  progress.line(`Status: ${isNew ? 'Downloaded newer image for' : 'Image is up to date for'} ${shown}`)
  const image = (await parts.records.image(id))!
  tellEvent(parts, project, 'pull', { id: shown, config: image.config }, familiarName(repository))
}

/** The digest is that of what was asked for: of the list, if it is one. */
async function findManifest(
  { client, platform, signal, parts }: Pull,
  reference: Reference,
  what: string,
): Promise<{ manifest: ImageManifest; digest: string }> {
  const first = await client.manifest(what, signal)
  let parsed = parseManifest(first.body, first.contentType, familiar(reference))
  for (let depth = 1; parsed.kind === 'index'; depth++) {
    if (depth === manifestDepthMax) throw invalid('bad_manifest', 'lists of images are nested too deep')
    const picked = pickManifest(parsed, platform)
    const next = await client.manifest(picked.digest, signal)
    parsed = parseManifest(next.body, picked.mediaType, familiar(reference))
  }
  if (!isOurs(platform)) {
    throw notFound(
      'no_matching_manifest',
      `no matching manifest for ${formatPlatform(platform)}: this host runs ${formatPlatform(ourPlatform)}`,
    )
  }
  const bytes = parsed.layers.reduce((sum, layer) => sum + layer.size, 0)
  if (bytes > parts.limits.imageBytesMax) {
    throw exhausted(
      'image_too_large',
      `the layers of ${familiar(reference)} have ${bytes} bytes; at most ${parts.limits.imageBytesMax} are allowed`,
    )
  }
  return { manifest: parsed, digest: first.digest }
}

function checkPlatform(config: string, wanted: Platform): void {
  const { os, architecture } = readConfig(config)
  if (os !== '' && os !== wanted.os) {
    throw invalid(
      'wrong_platform',
      `image operating system ${JSON.stringify(os)} cannot be used on this platform`,
    )
  }
  if (architecture !== '' && architecture !== wanted.architecture) {
    throw invalid(
      'wrong_platform',
      `image architecture ${JSON.stringify(architecture)} cannot be used on this platform: it needs ${wanted.architecture}`,
    )
  }
}

/** What a registry answers says little without what was asked of it. */
export async function inDockerdsWords<T>(reference: Reference, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (!(error instanceof HummingbirdError) || error.code !== 'registry_refused') throw error
    const { registryCode, status } = error.details as FailureDetails
    const name = familiarName(repositoryOf(reference))
    const wrap = (code: string, message: string) =>
      notFound(code, `${message}: ${error.message}`, { cause: error })
    if (registryCode === 'DENIED' || registryCode === 'INSUFFICIENT_SCOPE') {
      throw wrap(
        'pull_denied',
        `pull access denied for ${name}, repository does not exist or may require 'docker login'`,
      )
    }
    if (registryCode === 'MANIFEST_UNKNOWN' || (status === 404 && registryCode === '')) {
      throw wrap('manifest_unknown', `manifest for ${familiar(withDefaultTag(reference))} not found`)
    }
    if (registryCode === 'NAME_UNKNOWN') throw wrap('name_unknown', `repository ${name} not found`)
    throw error
  }
}
