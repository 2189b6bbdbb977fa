/** The cache of builds in Docker's JSON. */
import type { BuildStep } from '../../../build/ports.ts'
import { shortId } from '../../../lib/ids.ts'
import type { Backends, ListedImage, Scope } from '../backends.ts'
import { rfc3339Nano } from '../time.ts'

export interface CacheRow {
  readonly step: BuildStep
  /** An image with a name was made of what the step made. */
  readonly inUse: boolean
  /** Bytes that the step added; they are its image's, so nothing is freed by forgetting the step. */
  readonly bytes: number
}

export async function cacheRows(backends: Backends, scope: Scope): Promise<CacheRow[]> {
  const [steps, images] = await Promise.all([backends.builds.steps(scope), backends.images.list(scope)])
  const byId = new Map(images.map((image) => [image.id, image]))
  const inUse = ancestorsOfNamed(images, byId)
  return steps.map((step) => {
    const image = byId.get(step.image)
    const below = image ? (byId.get(image.parent)?.size ?? 0) : 0
    return { step, inUse: inUse.has(step.image), bytes: Math.max(0, (image?.size ?? 0) - below) }
  })
}

function ancestorsOfNamed(
  images: readonly ListedImage[],
  byId: ReadonlyMap<string, ListedImage>,
): ReadonlySet<string> {
  const found = new Set<string>()
  for (const named of images.filter(({ tags, digests }) => tags.length + digests.length > 0)) {
    for (let image: ListedImage | undefined = named; image && !found.has(image.id); ) {
      found.add(image.id)
      image = byId.get(image.parent)
    }
  }
  return found
}

const bare = (id: string) => id.replace('sha256:', '')

export function cacheRowJson({ step, inUse, bytes }: CacheRow) {
  return {
    ID: shortId(bare(step.image)),
    ...(step.parent === '' ? {} : { Parents: [shortId(bare(step.parent))] }),
    Type: 'regular',
    Description: step.description,
    InUse: inUse,
    Shared: true,
    Size: bytes,
    CreatedAt: rfc3339Nano(step.createdAt),
    LastUsedAt: rfc3339Nano(step.usedAt),
    UsageCount: step.uses,
  }
}
