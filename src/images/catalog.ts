/** Images of a project by any name a user may give, and what is told of them. */
import type { ImageDetails, ImageSummary, ListedImage } from '../api/docker/backends.ts'
import { conflict, invalid, notFound } from '../lib/errors.ts'
import { type ImageFile, readConfig } from './config.ts'
import { tellEvent } from './finish.ts'
import type { Parts } from './parts.ts'
import type { ProjectImage, StoredImage } from './records.ts'
import {
  defaultTag,
  familiar,
  familiarDigest,
  familiarTag,
  isDigest,
  parseReference,
  repositoryOf,
  withDefaultTag,
} from './reference.ts'

/** Configurations are read for each container that starts; a few hundred of them are kept. */
const cachedConfigsMax = 256

export class Catalog {
  readonly #parts: Parts
  readonly #configs = new Map<string, ImageFile>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Rejects with kind `not_found`, `No such image: NAME:TAG`. */
  async find(project: string, name: string): Promise<ProjectImage> {
    const id = await this.#idOf(project, name)
    const image = id === null ? null : await this.#parts.records.projectImage(project, id)
    if (!image) throw notFound('no_such_image', `No such image: ${shown(name)}`)
    return image
  }

  config(image: StoredImage): ImageFile {
    const known = this.#configs.get(image.id)
    const file = known ?? readConfig(image.config)
    // The one used last is the last to go.
    this.#configs.delete(image.id)
    this.#configs.set(image.id, file)
    if (this.#configs.size > cachedConfigsMax) this.#configs.delete(this.#configs.keys().next().value!)
    return file
  }

  async list(project: string): Promise<ListedImage[]> {
    const images = await this.#parts.records.projectImages(project)
    const ids = new Set(images.map(({ id }) => id))
    const parents = new Set(images.map(({ parent }) => parent))
    return images
      .map((image) => ({
        ...this.summary(image),
        parent: image.parent !== null && ids.has(image.parent) ? image.parent : '',
        hasChildren: parents.has(image.id),
      }))
      .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  }

  summary(image: ProjectImage): ImageSummary {
    const file = this.config(image)
    return {
      id: image.id,
      tags: image.tags.map(({ repository, suffix }) => familiarTag(repository, suffix)),
      digests: image.digests.map(({ repository, suffix }) => familiarDigest(repository, suffix)),
      createdAt: file.createdAt ?? new Date(0),
      size: image.layers.reduce((sum, layer) => sum + layer.contentBytes, 0),
      labels: file.config.Labels,
    }
  }

  async details(project: string, image: ProjectImage): Promise<ImageDetails> {
    const file = this.config(image)
    const layers = image.layers.values()
    return {
      ...this.summary(image),
      config: file.config,
      architecture: file.architecture,
      os: file.os,
      variant: file.variant,
      parent: await this.#parentOf(project, image.parent),
      author: file.author,
      comment: file.comment === '' ? (file.history.at(-1)?.comment ?? '') : file.comment,
      dockerVersion: file.dockerVersion,
      layers: file.diffIds,
      lastTaggedAt: image.lastTaggedAt,
      history: file.history.map((step) => ({
        ...step,
        size: step.empty ? 0 : (layers.next().value?.contentBytes ?? 0),
      })),
    }
  }

  /** Of one that is no more, nothing is told. */
  async #parentOf(project: string, id: string | null): Promise<string> {
    return id !== null && (await this.#parts.records.projectImage(project, id)) ? id : ''
  }

  async tag(project: string, name: string, target: string): Promise<void> {
    const reference = parseReference(target)
    if (reference.digest !== undefined)
      throw invalid('bad_reference', 'refusing to create a tag with a digest reference')
    const suffix = reference.tag ?? defaultTag
    await this.#parts.changes.run(async () => {
      const image = await this.find(project, name)
      await this.#parts.records.setTag(project, { repository: repositoryOf(reference), suffix }, image.id)
      tellEvent(this.#parts, project, 'tag', image, familiarTag(repositoryOf(reference), suffix))
    })
  }

  async #idOf(project: string, name: string): Promise<string | null> {
    const { records } = this.#parts
    if (isDigest(name)) return name
    if (/^[0-9a-f]{64}$/.test(name)) return `sha256:${name}`
    const reference = withDefaultTag(parseReference(name))
    const repository = repositoryOf(reference)
    const named =
      reference.digest === undefined
        ? await records.idByTag(project, { repository, suffix: reference.tag! })
        : await records.idByDigest(project, { repository, suffix: reference.digest })
    if (named !== null) return named
    const prefix = /^(?:sha256:)?([0-9a-f]{1,63})$/.exec(name)?.[1]
    if (prefix === undefined) return null
    const ids = await records.idsByPrefix(project, `sha256:${prefix}`, 2)
    if (ids.length > 1) throw conflict('ambiguous_id', `image ID ${name} is ambiguous: give more of it`)
    return ids[0] ?? null
  }
}

function shown(name: string): string {
  if (isDigest(name)) return name
  return /^[0-9a-f]{64}$/.test(name) ? `sha256:${name}` : familiar(withDefaultTag(parseReference(name)))
}
