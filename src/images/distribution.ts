/** What a registry has under a name, without pulling it: the descriptor, and for which platforms. */
import type { DistributionDetails, RegistryCredentials } from '../api/docker/backends.ts'
import { readConfig } from './config.ts'
import { configBytesMax } from './limits.ts'
import type { Parts } from './parts.ts'
import { inDockerdsWords } from './pull.ts'
import { defaultTag, familiar, parseReference, withDefaultTag } from './reference.ts'
import { RegistryClient } from './registry/client.ts'
import { mediaTypes, type Platform, parseManifest } from './registry/manifest.ts'

export async function inspectDistribution(
  { insecureRegistries, limits }: Parts,
  name: string,
  { credentials, signal }: { readonly credentials?: RegistryCredentials; readonly signal: AbortSignal },
): Promise<DistributionDetails> {
  const reference = withDefaultTag(parseReference(name))
  const client = new RegistryClient(reference, {
    ...{ credentials, insecureRegistries, actions: 'pull' },
    ...{ idleMs: limits.registryIdleMs, retryMs: limits.registryRetryMs },
  })
  return inDockerdsWords(reference, async () => {
    await client.ping(signal)
    const raw = await client.manifest(reference.digest ?? reference.tag ?? defaultTag, signal)
    const parsed = parseManifest(raw.body, raw.contentType, familiar(reference))
    const unnamed = parsed.kind === 'index' ? mediaTypes.ociIndex : mediaTypes.ociManifest
    return {
      mediaType: raw.contentType || unnamed,
      digest: raw.digest,
      bytes: raw.body.length,
      platforms:
        parsed.kind === 'index'
          ? parsed.manifests.flatMap(({ platform }) => (platform ? [platform] : []))
          : [
              platformOf(
                (await client.smallBlob(parsed.config.digest, configBytesMax, signal)).toString('utf8'),
              ),
            ],
    }
  })
}

function platformOf(config: string): Platform {
  const { os, architecture, variant } = readConfig(config)
  return { os, architecture, ...(variant === '' ? {} : { variant }) }
}
