/**
 * Images: where they come from, what they are called, and the block image each is run from.
 *
 *     registry ──pull──┐                                    ┌──> records (names, by project)
 *     archive ──load───┼──> content store ──> verify, merge ┤
 *     tar ─────import──┘    (blobs by digest)               └──> block image ──> a sandbox's disk
 */
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ImageDetails, ImagesBackend, ImagesUsage, ListedImage, Scope } from '../api/docker/backends.ts'
import type { CommitRequest, Image, ImageStore } from '../engine/ports/images.ts'
import { notFound } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { SerialQueue } from '../lib/queue.ts'
import { minuteMs } from '../lib/units.ts'
import { BlockImages } from './block/block-images.ts'
import { Catalog } from './catalog.ts'
import { commitImage } from './commit.ts'
import { ContentStore } from './content-store.ts'
import { type DerivedImage, deriveImage, parentOf } from './derive.ts'
import { inspectDistribution } from './distribution.ts'
import { type ImportOptions, importImage, newName } from './import.ts'
import { Layers } from './layers.ts'
import { defaultLimits, type ImageLimits } from './limits.ts'
import { type LoadOptions, loadImages } from './load.ts'
import type { OnImageEvent, Parts } from './parts.ts'
import { type PullOptions, pullImage } from './pull.ts'
import { logIn, type PushOptions, pushImage } from './push.ts'
import type { ImageRecords } from './records.ts'
import { familiarTag } from './reference.ts'
import { Removal } from './removal.ts'
import { saveImages } from './save.ts'
import { SquashfsReader } from './squashfs/reader.ts'
import { imagesUsage } from './usage.ts'

/** Who asks for a block image opens it in less, or gives up: the engine's time for the claim of a sandbox, and some. */
const askedMs = 3 * minuteMs
/** Beyond that, those of long ago are forgotten. */
const askedMax = 1_000

export interface ImagesOptions {
  /** For blobs and block images. */
  readonly directory: string
  readonly records: ImageRecords
  readonly log: Log
  readonly events: OnImageEvent
  /** `host` or `host:port` that plain HTTP may be spoken with; loopback always may. */
  readonly insecureRegistries: readonly string[]
  readonly limits?: Partial<ImageLimits>
}

/** Takes away what an earlier daemon left half-made. */
export async function createImages(options: ImagesOptions): Promise<Images> {
  const { records, log, events, insecureRegistries } = options
  const limits = { ...defaultLimits, ...options.limits }
  const content = new ContentStore(options.directory, (digest) => records.isBlobUsed(digest))
  const blocks = new BlockImages({ directory: join(options.directory, 'block'), limits })
  // Search, but not read: QEMU's users open block images below it.
  await mkdir(options.directory, { recursive: true })
  await chmod(options.directory, 0o711)
  await content.start(await records.allBlobs())
  const steps = new Set(await records.stepChains())
  await blocks.start((await records.allChains()).filter((chain) => !steps.has(chain)))
  const changes = new SerialQueue()
  const pins = new Map<string, number>()
  return new Images({ records, content, blocks, changes, events, limits, pins, insecureRegistries, log })
}

export class Images implements ImagesBackend, ImageStore {
  readonly #parts: Parts
  readonly #catalog: Catalog
  readonly #removal: Removal
  readonly #layers: Layers
  /** When block images were asked for last, by their chains. */
  readonly #asked = new Map<string, number>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#catalog = new Catalog(parts)
    this.#layers = new Layers(parts)
    this.#removal = new Removal(parts, this.#catalog)
  }

  async resolve(project: string, name: string): Promise<Image> {
    const image = await this.#catalog.find(project, name)
    return { id: image.id, config: this.#catalog.config(image).config }
  }

  async blockImage(id: string): Promise<string> {
    const { records, blocks, content } = this.#parts
    const image = await records.image(id)
    if (!image) throw notFound('no_such_image', `No such image: ${id}`)
    this.#asked.set(image.chain, Date.now())
    if (this.#asked.size > askedMax) this.#forgetAsked()
    if (await blocks.has(image.chain)) return blocks.path(image.chain)
    await using _held = content.hold(image.layers.map((layer) => layer.digest))
    await blocks.make(
      image.layers.map(({ digest, compression, diffId }) => ({
        path: content.path(digest),
        compression,
        diffId,
        // As it was when it was recorded: nobody but us writes there.
        hash: false,
      })),
    )
    if (!(await records.image(id))) {
      await blocks.remove(image.chain)
      throw notFound('no_such_image', `No such image: ${id}`)
    }
    return blocks.path(image.chain)
  }

  #forgetAsked(): void {
    for (const [chain, at] of this.#asked) if (Date.now() - at > askedMs) this.#asked.delete(chain)
  }

  /**
   * Takes away block images that only steps of builds have: each is as large as all that the step stands on, and made again
   * when a container needs it. One that was asked for lately may be about to be opened, and stays until the next time.
   */
  async sweepSteps(): Promise<void> {
    const { records, blocks, pins, changes } = this.#parts
    await changes.run(async () => {
      const pinned = await Promise.all([...pins.keys()].map(async (id) => (await records.image(id))?.chain))
      for (const chain of await records.stepChains()) {
        const sinceMs = Date.now() - (this.#asked.get(chain) ?? 0)
        if (pinned.includes(chain) || sinceMs < askedMs) continue
        this.#asked.delete(chain)
        await blocks.remove(chain)
      }
    })
  }

  /** The files of an image, as all its layers make them. To be disposed of. */
  async files(id: string): Promise<SquashfsReader> {
    return new SquashfsReader(await this.blockImage(id))
  }

  /** Until it is disposed of, nobody can remove or prune the image. */
  pin(id: string): Disposable {
    const { pins } = this.#parts
    pins.set(id, (pins.get(id) ?? 0) + 1)
    return {
      [Symbol.dispose]() {
        const left = pins.get(id)! - 1
        if (left > 0) pins.set(id, left)
        else pins.delete(id)
      },
    }
  }

  /** An image of a step of a build; see `deriveImage`. `parent`: an id, or null for `FROM scratch`. */
  async derive(
    project: string,
    { parent, ...derived }: Omit<DerivedImage, 'parent' | 'comment' | 'name'> & { parent: string | null },
    { signal }: { signal: AbortSignal },
  ): Promise<{ id: string }> {
    const below = parent === null ? null : await parentOf(this.#parts, parent)
    return deriveImage(
      this.#parts,
      project,
      { ...derived, parent: below, comment: '' },
      { signal, lazily: true },
    )
  }

  checkTag(target: string): string {
    const { repository, suffix } = newName(target, 'refusing to create a tag with a digest reference')
    return familiarTag(repository, suffix)
  }

  commit(project: string, request: CommitRequest, options: { signal: AbortSignal }) {
    return commitImage(this.#parts, project, request, options)
  }

  list({ project }: Scope): Promise<readonly ListedImage[]> {
    return this.#catalog.list(project)
  }

  async get({ project }: Scope, ref: string): Promise<ImageDetails> {
    return this.#catalog.details(project, await this.#catalog.find(project, ref))
  }

  tag({ project }: Scope, ref: string, target: string): Promise<void> {
    return this.#catalog.tag(project, ref, target)
  }

  pull({ project }: Scope, reference: string, options: PullOptions): Promise<void> {
    return pullImage(this.#parts, this.#layers, project, reference, options)
  }

  inspectDistribution(
    _scope: Scope,
    reference: string,
    options: Parameters<ImagesBackend['inspectDistribution']>[2],
  ) {
    return inspectDistribution(this.#parts, reference, options)
  }

  push({ project }: Scope, reference: string, options: PushOptions): Promise<void> {
    return pushImage(this.#parts, project, reference, options)
  }

  login(
    credentials: Parameters<ImagesBackend['login']>[0],
  ): Promise<{ status: string; identityToken: string }> {
    return logIn(this.#parts, credentials)
  }

  load({ project }: Scope, source: Readable, options: LoadOptions): Promise<void> {
    return loadImages(this.#parts, project, source, options)
  }

  save({ project }: Scope, refs: readonly string[]): Promise<Readable> {
    return saveImages(this.#parts, this.#catalog, project, refs)
  }

  import({ project }: Scope, source: Readable, options: ImportOptions): Promise<string> {
    return importImage(this.#parts, project, source, options)
  }

  remove({ project }: Scope, ref: string, options: Parameters<ImagesBackend['remove']>[2]) {
    return this.#removal.remove(project, ref, options)
  }

  prune({ project }: Scope, options: Parameters<ImagesBackend['prune']>[1]) {
    return this.#removal.prune(project, {
      used: options.used,
      picks: (image) =>
        (!options.danglingOnly || image.tags.length === 0) && options.matches(this.#catalog.summary(image)),
    })
  }

  async usage({ project }: Scope): Promise<ImagesUsage> {
    const images = await this.#parts.records.projectImages(project)
    return imagesUsage(images, (chain) => this.#parts.blocks.bytes(chain))
  }
}
