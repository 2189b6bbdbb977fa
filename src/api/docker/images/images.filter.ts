/** Which images a list shows, and which a prune takes away. */
import type { Backends, ImageSummary, ListedImage, Scope } from '../backends.ts'
import { pruneUntil } from '../containers/containers.filter.ts'
import { Filters } from '../filters.ts'
import { matchesReference } from './references.ts'

const listNames = ['before', 'dangling', 'label', 'reference', 'since', 'until']

/** Images with the tags that were asked for; rejects with kind `not_found` when `before` or `since` names none. */
export async function selectImages(
  images: readonly ListedImage[],
  query: { filters: string; filter: string; all: boolean },
  backends: Backends,
  scope: Scope,
): Promise<ListedImage[]> {
  const filters = new Filters(query.filters, listNames)
  const dangling = filters.boolean('dangling')
  const patterns = [...filters.get('reference'), ...(query.filter ? [query.filter] : [])]
  const until = pruneUntil(filters, new Date())
  const [before, since] = await Promise.all(
    ['before', 'since'].map((name) => {
      const ref = filters.get(name)[0]
      return ref === undefined ? null : backends.images.get(scope, ref)
    }),
  )
  return images
    .filter((image) => (query.all && dangling === undefined) || isShown(image))
    .filter((image) => filters.allowsLabels(image.labels))
    .filter((image) => dangling === undefined || (image.tags.length === 0) === dangling)
    .filter(({ createdAt }) => !until || createdAt < until)
    .filter(({ id, createdAt }) => !before || (createdAt < before.createdAt && id !== before.id))
    .filter(({ id, createdAt }) => !since || (createdAt > since.createdAt && id !== since.id))
    .flatMap((image) => narrowed(image, patterns))
}

/** A step of a build is shown only to those who ask for all. */
export const isShown = ({ tags, digests, hasChildren }: ListedImage): boolean =>
  !hasChildren || tags.length + digests.length > 0

function narrowed(image: ListedImage, patterns: readonly string[]): ListedImage[] {
  if (patterns.length === 0) return [image]
  const asked = (reference: string) => patterns.some((pattern) => matchesReference(pattern, reference))
  const tags = image.tags.filter(asked)
  const digests = image.digests.filter(asked)
  return tags.length > 0 || digests.length > 0 ? [{ ...image, tags, digests }] : []
}

/** `dangling` is what is meant unless it is denied. */
export function imagePruneOptions(json: string, now: Date) {
  const filters = new Filters(json, ['dangling', 'label', 'label!', 'until'])
  const until = pruneUntil(filters, now)
  return {
    danglingOnly: filters.boolean('dangling') ?? true,
    matches: ({ createdAt, labels }: ImageSummary) =>
      (!until || createdAt < until) && filters.allowsLabels(labels) && filters.allowsWithoutLabels(labels),
  }
}
