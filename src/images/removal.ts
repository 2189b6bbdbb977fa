/**
 * Taking images away, by dockerd's rules. A tag is taken first; the image goes with its last name, unless a container uses
 * it or another was made of it. By id, all names go at once if they are of one repository. With the last image that was made
 * of one without a name, such as a step of a build, that one goes too.
 *
 *     hard conflicts  an image made of it, a running container or build      never removed
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

export interface RemoveOptions {
  readonly force: boolean
  readonly keepParents?: boolean
  readonly usedBy: UsedBy
}

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

  remove(project: string, ref: string, options: RemoveOptions): Promise<Removed[]> {
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
      const free = async (image: ProjectImage) => {
        removed.push(...(await this.#untag(project, image, namesOf(image))))
        const freed = await this.#forget(project, image)
        removed.push(...freed.removed)
        bytes += freed.bytes
      }
      const isKept = async ({ id }: ProjectImage) =>
        options.used(id) || this.#parts.pins.has(id) || (await this.#hasChildren(project, id))
      for (const listed of await this.#parts.records.projectImages(project)) {
        // Its last child may have taken it along.
        const image = await this.#parts.records.projectImage(project, listed.id)
        if (!image || (await isKept(image)) || !options.picks(image)) continue
        await free(image)
        for (let parent = await this.#parentOf(project, image); parent; ) {
          if (namesOf(parent).length > 0 || (await isKept(parent))) break
          await free(parent)
          parent = await this.#parentOf(project, parent)
        }
      }
      return { removed, bytes }
    })
  }

  async #removeById(project: string, image: ProjectImage, options: RemoveOptions): Promise<Removed[]> {
    const found = await this.#conflictOf(project, image, namesOf(image), options.usedBy)
    if (found && (found.hard || !options.force)) throw found.error
    const untagged = await this.#untag(project, image, namesOf(image))
    return [...untagged, ...(await this.#forgetOrHide(project, image, options))]
  }

  async #removeByName(
    project: string,
    image: ProjectImage,
    ref: string,
    options: RemoveOptions,
  ): Promise<Removed[]> {
    const { force, usedBy } = options
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
    const found = await this.#conflictOf(project, image, [], usedBy)
    // The name is gone as was asked; the image stays for its containers.
    if (found && (found.hard || !force)) return removed
    return [...removed, ...(await this.#forgetOrHide(project, image, options))]
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

  async #forgetOrHide(project: string, image: ProjectImage, options: RemoveOptions): Promise<Removed[]> {
    if (options.usedBy(image.id).length > 0) {
      await this.#parts.records.hide(project, image.id)
      tellEvent(this.#parts, project, 'delete', image, image.id)
      return [{ deleted: image.id }]
    }
    const removed = [...(await this.#forget(project, image)).removed]
    let parent = options.keepParents ? null : await this.#parentOf(project, image)
    while (parent && namesOf(parent).length === 0) {
      if (await this.#conflictOf(project, parent, [], options.usedBy)) break
      removed.push(...(await this.#forget(project, parent)).removed)
      parent = await this.#parentOf(project, parent)
    }
    return removed
  }

  async #parentOf(project: string, { parent }: ProjectImage): Promise<ProjectImage | null> {
    return parent === null ? null : this.#parts.records.projectImage(project, parent)
  }

  async #hasChildren(project: string, id: string): Promise<boolean> {
    return (await this.#parts.records.children(project, id)).length > 0
  }

  async #conflictOf(
    project: string,
    image: ProjectImage,
    names: readonly Name[],
    usedBy: UsedBy,
  ): Promise<Conflict | null> {
    const hard = (why: string) => makeConflict(image, { hard: true, used: false, why })
    if (await this.#hasChildren(project, image.id)) return hard('image has dependent child images')
    if (this.#parts.pins.has(image.id)) return hard('image is being used by a running build')
    return conflictOf(image, names, usedBy)
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

function makeConflict(
  { id }: ProjectImage,
  { hard, used, why }: { readonly hard: boolean; readonly used: boolean; readonly why: string },
): Conflict {
  const how = hard ? 'cannot be forced' : 'must be forced'
  return {
    hard,
    used,
    error: conflict('image_in_use', `conflict: unable to delete ${shortId(bare(id))} (${how}) - ${why}`),
  }
}

function conflictOf(image: ProjectImage, names: readonly Name[], usedBy: UsedBy): Conflict | null {
  const containers = usedBy(image.id)
  const running = containers.find((container) => container.running)
  const make = (hard: boolean, used: boolean, why: string) => makeConflict(image, { hard, used, why })
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
