/** Gets the layers of an image into the content store: those the project may have already, and the rest from the registry. */
import { sniffFile } from '../lib/compression.ts'
import type { CandidateLayer } from './finish.ts'
import type { Parts } from './parts.ts'
import { type Progress, shortDigest } from './progress.ts'
import type { RegistryClient } from './registry/client.ts'
import { download } from './registry/download.ts'
import type { Descriptor } from './registry/manifest.ts'
import { SharedTasks } from './shared-tasks.ts'
import { Slots } from './slots.ts'

/** For one pull, as dockerd. */
const downloadsMax = 3

interface Pulling {
  readonly project: string
  readonly client: RegistryClient
  readonly progress: Progress
  readonly signal: AbortSignal
}

export class Layers {
  readonly #parts: Parts
  readonly #downloads = new SharedTasks<void, number>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The caller holds them. The first failure ends the others. */
  async fetch(
    pulling: Pulling,
    repository: string,
    layers: readonly Descriptor[],
  ): Promise<CandidateLayer[]> {
    const { progress } = pulling
    const wanted = new Map(layers.map((layer) => [layer.digest, layer]))
    for (const [digest] of wanted) {
      if (await this.#mayUse(pulling.project, repository, digest)) {
        progress.state(shortDigest(digest), 'Already exists')
        wanted.delete(digest)
      } else progress.state(shortDigest(digest), 'Pulling fs layer')
    }
    for (const digest of [...wanted.keys()].slice(downloadsMax))
      progress.state(shortDigest(digest), 'Waiting')

    const slots = new Slots(downloadsMax)
    const failed = new AbortController()
    const signal = AbortSignal.any([pulling.signal, failed.signal])
    const results = await Promise.allSettled(
      [...wanted.values()].map((layer) =>
        slots
          .run(() => this.#download({ ...pulling, signal }, repository, layer), signal)
          .catch((error: unknown) => {
            // The first failure is the one to tell of: what it ends fails after it.
            if (!failed.signal.aborted) failed.abort(error)
            throw error
          }),
      ),
    )
    if (results.some(({ status }) => status === 'rejected')) {
      throw pulling.signal.aborted
        ? results.find((result) => result.status === 'rejected')!.reason
        : failed.signal.reason
    }
    return Promise.all(layers.map((layer) => this.#candidate(layer)))
  }

  /** After the block image was made. */
  tellDone(progress: Progress, layers: readonly Descriptor[]): void {
    for (const digest of new Set(layers.map((layer) => layer.digest))) {
      progress.state(shortDigest(digest), 'Pull complete')
    }
  }

  /** See ImageRecords.blobSources: knowing a digest gives no right to the bytes. */
  async #mayUse(project: string, repository: string, digest: string): Promise<boolean> {
    const { records, content } = this.#parts
    if (!(await records.blob(digest)) || !(await content.has(digest))) return false
    return (
      (await records.projectHasBlob(project, digest)) ||
      (await records.blobSources(digest)).includes(repository)
    )
  }

  async #download(
    { client, progress, signal }: Pulling,
    repository: string,
    layer: Descriptor,
  ): Promise<void> {
    const { content, limits } = this.#parts
    const id = shortDigest(layer.digest)
    await this.#downloads.run(
      `${repository} ${layer.digest}`,
      async (shared, onProgress) => {
        // Held by each who waits, and here for when the last goes away just as it is done.
        await using _held = content.hold([layer.digest])
        await using blob = await content.newBlob()
        await download(client, layer, blob, { retryMs: limits.registryRetryMs, signal: shared, onProgress })
        await blob.commit(layer.digest)
      },
      { signal, onProgress: (bytes) => progress.amount(id, 'Downloading', bytes, layer.size) },
    )
    progress.state(id, 'Verifying Checksum')
    progress.state(id, 'Download complete')
  }

  async #candidate({ digest, size }: Descriptor): Promise<CandidateLayer> {
    return { digest, bytes: size, compression: await sniffFile(this.#parts.content.path(digest)) }
  }
}
