/**
 * Block images: one file for each sequence of layers, made once, whoever asks. Readable by everybody on the host, because
 * every sandbox's QEMU is another user; the name is a hash, and the directory cannot be listed by them.
 */
import { createHash } from 'node:crypto'
import { access, chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { imageDiskBytes } from '../../lib/disks.ts'
import { newId } from '../../lib/ids.ts'
import { Rollback } from '../../lib/rollback.ts'
import type { ImageLimits } from '../limits.ts'
import { Slots } from '../slots.ts'
import { runBuild } from './build.ts'
import type { BuildLayer, LayerFacts } from './job.ts'

/** Each takes a core and a heap of its own. */
const buildsMax = 2
const suffix = '.squashfs'
const temporaryPrefix = 'making-'

export interface BlockImageOptions {
  readonly directory: string
  readonly limits: ImageLimits
}

export type OnLayerProgress = (layer: number, bytes: number) => void

/** Names the sequence of layers, lowest first. */
export function chainOf(diffIds: readonly string[]): string {
  return createHash('sha256').update(diffIds.join('\n')).digest('hex')
}

export class BlockImages {
  readonly #directory: string
  readonly #limits: ImageLimits
  readonly #slots = new Slots(buildsMax)
  readonly #making = new Map<string, Promise<LayerFacts[]>>()

  constructor(options: BlockImageOptions) {
    this.#directory = options.directory
    this.#limits = options.limits
  }

  /** Makes the directory, and takes away what an earlier daemon left half-made and what no image needs. */
  async start(chains: readonly string[]): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    // Search, but not read: QEMU's users open what they are told of.
    await chmod(this.#directory, 0o711)
    const wanted = new Set(chains.map((chain) => chain + suffix))
    for (const name of await readdir(this.#directory)) {
      if (!wanted.has(name)) await rm(join(this.#directory, name), { force: true })
    }
  }

  path(chain: string): string {
    return join(this.#directory, chain + suffix)
  }

  async has(chain: string): Promise<boolean> {
    try {
      await access(this.path(chain))
      return true
    } catch {
      return false
    }
  }

  /**
   * Makes the block image. Answers the layers' facts, or null when it was there. Whoever asks while it is being made gets
   * the same; the first one's signal ends the making, and then the others try themselves.
   */
  async make(
    layers: readonly BuildLayer[],
    options: { signal?: AbortSignal; onProgress?: OnLayerProgress } = {},
  ): Promise<LayerFacts[] | null> {
    const chain = chainOf(layers.map((layer) => layer.diffId))
    for (;;) {
      const other = this.#making.get(chain)
      if (other) await other.catch(() => {})
      else if (await this.has(chain)) return null
      else if (!this.#making.has(chain)) break
      options.signal?.throwIfAborted()
    }
    const making = this.#slots.run(() => this.#make(chain, layers, options), options.signal)
    this.#making.set(chain, making)
    try {
      return await making
    } finally {
      this.#making.delete(chain)
    }
  }

  /** Reads layers through without making anything: whether they are what they are said to be. */
  verify(
    layers: readonly BuildLayer[],
    options: { signal?: AbortSignal; onProgress?: OnLayerProgress } = {},
  ): Promise<LayerFacts[]> {
    const job = { layers, output: null, diskBytes: imageDiskBytes, limits: this.#limits }
    return this.#slots.run(() => runBuild(job, options), options.signal)
  }

  async remove(chain: string): Promise<void> {
    await rm(this.path(chain), { force: true })
  }

  /** Bytes on disk. */
  async bytes(chain: string): Promise<number> {
    const blockBytes = 512
    return stat(this.path(chain)).then(
      ({ blocks }) => blocks * blockBytes,
      () => 0,
    )
  }

  async #make(
    chain: string,
    layers: readonly BuildLayer[],
    options: { signal?: AbortSignal; onProgress?: OnLayerProgress },
  ): Promise<LayerFacts[]> {
    await using undo = new Rollback()
    const output = join(this.#directory, `${temporaryPrefix}${newId()}`)
    await (await open(output, 'wx', 0o600)).close()
    undo.add(() => rm(output, { force: true }))
    const facts = await runBuild({ layers, output, diskBytes: imageDiskBytes, limits: this.#limits }, options)
    await rename(output, this.path(chain))
    undo.commit()
    return facts
  }
}
