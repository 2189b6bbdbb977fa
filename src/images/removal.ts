/**
 * Taking images away, by dockerd's rules. A tag is taken first; the image goes with its last name, unless a container uses
 * it. By id, all names go at once if they are of one repository.
 *
 *     hard conflicts  a running container                                    never removed
 *     soft conflicts  a stopped container, names in several repositories     removed by force
 *
 * An image removed by force while stopped containers use it is hidden, and kept for them until they are gone.
 */
import { createHash } from 'node:crypto'
import { conflict, type HummingbirdError } from '../lib/errors.ts'
import { shortId } from '../lib/ids.ts'
import type { Catalog } from './catalog.ts'
import { tellEvent } from './finish.ts'
import type { Parts } from './parts.ts'
import type { ImageName, ProjectImage } from './records.ts'
import { familiarDigest, familiarTag, parseReference, repositoryOf, withDefaultTag } from './reference.ts'

export type Removed = { untagged: string } | { deleted: string }
export type UsedBy = (imageId: string) => readonly { id: string; running: boolean }[]

interface Name extends ImageName {
  readonly kind: 'tag' | 'digest'
}

interface Conflict {
  readonly hard: boolean
  /** Some container uses it. */
  readonly used: boolean
  readonly error: HummingbirdError
}

export class Removal {
  readonly #parts: Parts
  readonly #catalog: Catalog

  constructor(parts: Parts, catalog: Catalog) {
    this.#parts = parts
    this.#catalog = catalog
  }

  remove(project: string, ref: string, options: { force: boolean; usedBy: UsedBy }): Promise<Removed[]> {
    return this.#parts.changes.run(async () => {
      await this.#sweepHidden(project, (id) => options.usedBy(id).length > 0)
      const image = await this.#catalog.find(project, ref)
      const isById = image.id.startsWith(ref) || image.id.slice('sha256:'.length).startsWith(ref)
      return isById
        ? this.#removeById(project, image, options)
        : this.#removeByName(project, image, ref, options)
    })
  }

  /** Takes away what no container uses; answers what was done and the bytes that gave. */
  async prune(
    project: string,
    options: { used: (imageId: string) => boolean; picks: (image: ProjectImage) => boolean },
  ): Promise<{ removed: Removed[]; bytes: number }> {
    return this.#parts.changes.run(async () => {
      await this.#sweepHidden(project, options.used)
      const removed: Removed[] = []
      let bytes = 0
      for (const image of await this.#parts.records.projectImages(project)) {
        if (options.used(image.id) || !options.picks(image)) continue
        removed.push(...(await this.#untag(project, image, namesOf(image))))
        const freed = await this.#forget(project, image)
        removed.push(...freed.removed)
        bytes += freed.bytes
      }
      return { removed, bytes }
    })
  }

  async #removeById(
    project: string,
    image: ProjectImage,
    { force, usedBy }: { force: boolean; usedBy: UsedBy },
  ): Promise<Removed[]> {
    const found = conflictOf(image, namesOf(image), usedBy)
    if (found && (found.hard || !force)) throw found.error
    const untagged = await this.#untag(project, image, namesOf(image))
    return [...untagged, ...(await this.#forgetOrHide(project, image, usedBy))]
  }

  async #removeByName(
    project: string,
    image: ProjectImage,
    ref: string,
    { force, usedBy }: { force: boolean; usedBy: UsedBy },
  ): Promise<Removed[]> {
    const names = namesOf(image)
    const user = usedBy(image.id)[0]
    if (!force && isSingle(names) && user) {
      throw conflict(
        'image_in_use',
        `conflict: unable to remove repository reference ${JSON.stringify(ref)} (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(bare(image.id))}`,
      )
    }
    const going = namesGoing(names, ref)
    const removed: Removed[] = await this.#untag(project, image, going)
    const left = names.filter((name) => !going.includes(name))
    if (left.length > 0) return removed
    const found = conflictOf(image, [], usedBy)
    // The name is gone as was asked; the image stays for its containers.
    if (found && (found.hard || !force)) return removed
    return [...removed, ...(await this.#forgetOrHide(project, image, usedBy))]
  }

  async #untag(project: string, image: ProjectImage, names: readonly Name[]): Promise<Removed[]> {
    const removed: Removed[] = []
    for (const name of names) {
      await this.#parts.records.removeName(project, name.kind, name)
      tellEvent(this.#parts, project, 'untag', image, shownName(name))
      removed.push({ untagged: shownName(name) })
    }
    return removed
  }

  async #forgetOrHide(project: string, image: ProjectImage, usedBy: UsedBy): Promise<Removed[]> {
    if (usedBy(image.id).length === 0) return (await this.#forget(project, image)).removed
    await this.#parts.records.hide(project, image.id)
    tellEvent(this.#parts, project, 'delete', image, image.id)
    return [{ deleted: image.id }]
  }

  async #forget(project: string, image: ProjectImage): Promise<{ removed: Removed[]; bytes: number }> {
    const freed = await this.#collect(project, image.id)
    tellEvent(this.#parts, project, 'delete', image, image.id)
    const chains = layerChains(image)
    const layers = image.layers
      .flatMap((layer, i) => (freed.blobs.includes(layer.digest) ? [{ deleted: chains[i]! }] : []))
      .reverse()
    return { removed: [{ deleted: image.id }, ...layers], bytes: freed.bytes }
  }

  /** What nothing refers to any more goes from the disk too. */
  async #collect(project: string, id: string): Promise<{ blobs: readonly string[]; bytes: number }> {
    const { records, content, blocks } = this.#parts
    const image = await records.image(id)
    const freed = await records.forget(project, id)
    let bytes = 0
    for (const chain of freed.chains) {
      bytes += await blocks.bytes(chain)
      await blocks.remove(chain)
    }
    for (const digest of freed.blobs) {
      bytes += image?.layers.find((layer) => layer.digest === digest)?.bytes ?? 0
      await content.collect(digest)
    }
    return { blobs: freed.blobs, bytes }
  }

  async #sweepHidden(project: string, isUsed: (imageId: string) => boolean): Promise<void> {
    for (const id of await this.#parts.records.hidden(project)) {
      if (!isUsed(id)) await this.#collect(project, id)
    }
  }
}

const bare = (id: string) => id.slice('sha256:'.length)

const namesOf = (image: ProjectImage): Name[] => [
  ...image.tags.map((name): Name => ({ kind: 'tag', ...name })),
  ...image.digests.map((name): Name => ({ kind: 'digest', ...name })),
]

const shownName = ({ kind, repository, suffix }: Name) =>
  kind === 'tag' ? familiarTag(repository, suffix) : familiarDigest(repository, suffix)

/** At most one tag, and no digest of another repository. */
function isSingle(names: readonly Name[]): boolean {
  const tags = names.filter(({ kind }) => kind === 'tag')
  return tags.length <= 1 && new Set(names.map(({ repository }) => repository)).size <= 1
}

/** The name asked for; with the last tag of a repository, its digests. */
function namesGoing(names: readonly Name[], ref: string): Name[] {
  const reference = withDefaultTag(parseReference(ref))
  const repository = repositoryOf(reference)
  const kind = reference.digest === undefined ? 'tag' : 'digest'
  const suffix = reference.digest ?? reference.tag
  const asked = (name: Name) => name.kind === kind && name.repository === repository && name.suffix === suffix
  const going = names.filter(asked)
  const hasOtherTag = names.some(
    (name) => name.kind === 'tag' && name.repository === repository && !asked(name),
  )
  if (kind === 'tag' && !hasOtherTag) {
    going.push(...names.filter((name) => name.kind === 'digest' && name.repository === repository))
  }
  return going
}

function conflictOf(image: ProjectImage, names: readonly Name[], usedBy: UsedBy): Conflict | null {
  const containers = usedBy(image.id)
  const running = containers.find((container) => container.running)
  const make = (hard: boolean, used: boolean, why: string): Conflict => ({
    hard,
    used,
    error: conflict(
      'image_in_use',
      `conflict: unable to delete ${shortId(bare(image.id))} (${hard ? 'cannot be forced' : 'must be forced'}) - ${why}`,
    ),
  })
  if (running) return make(true, true, `image is being used by running container ${shortId(running.id)}`)
  if (!isSingle(names)) return make(false, false, 'image is referenced in multiple repositories')
  const stopped = containers[0]
  return stopped ? make(false, true, `image is being used by stopped container ${shortId(stopped.id)}`) : null
}

/** Names of layers with all below them, as dockerd tells of deleted ones. */
function layerChains(image: ProjectImage): string[] {
  let chain = ''
  return image.layers.map(({ diffId }) => {
    chain =
      chain === '' ? diffId : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`
    return chain
  })
}
