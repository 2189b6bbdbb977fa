/**
 * Blobs by digest. A blob is written beside its place and moved there when its digest was seen to be right, so that what
 * has a name is whole. Who works with a blob holds it; one that nobody holds and no image needs is taken away.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, renameSync } from 'node:fs'
import { access, type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { exhausted, hasCode, invalid } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { MiB } from '../lib/units.ts'
import { isDigest } from './reference.ts'

export class ContentStore {
  readonly #blobs: string
  readonly #temporary: string
  readonly #isUsed: (digest: string) => Promise<boolean>
  readonly #holds = new Map<string, number>()

  /** `isUsed`: whether an image's record refers to the blob. */
  constructor(directory: string, isUsed: (digest: string) => Promise<boolean>) {
    this.#blobs = join(directory, 'blobs')
    this.#temporary = join(directory, 'temporary')
    this.#isUsed = isUsed
  }

  /** Makes the directories, and takes away what an earlier daemon left half-made or unused. */
  async start(used: readonly string[]): Promise<void> {
    await rm(this.#temporary, { recursive: true, force: true })
    for (const directory of [this.#blobs, this.#temporary])
      await mkdir(directory, { recursive: true, mode: 0o700 })
    const wanted = new Set(used.map(fileName))
    for (const name of await readdir(this.#blobs)) {
      if (!wanted.has(name)) await rm(join(this.#blobs, name), { force: true })
    }
  }

  path(digest: string): string {
    return join(this.#blobs, fileName(digest))
  }

  async has(digest: string): Promise<boolean> {
    try {
      await access(this.path(digest))
      return true
    } catch {
      return false
    }
  }

  read(digest: string): Readable {
    return createReadStream(this.path(digest), { highWaterMark: 1 * MiB })
  }

  /** A place for a file of the caller's, gone at the latest when the daemon starts again. */
  temporaryPath(): string {
    return join(this.#temporary, newId())
  }

  async newBlob(): Promise<NewBlob> {
    const path = this.temporaryPath()
    return new NewBlob(await open(path, 'wx', 0o600), path, (digest) => this.path(digest))
  }

  /** Stores all that comes. Rejects, and stores nothing, when it is more than `bytesMax` or not what was expected. */
  async store(
    source: AsyncIterable<Buffer>,
    options: { digest?: string; bytesMax: number; signal?: AbortSignal; onDigest?: (digest: string) => void },
  ): Promise<{ digest: string; bytes: number }> {
    await using blob = await this.newBlob()
    for await (const chunk of source) {
      options.signal?.throwIfAborted()
      if (blob.bytes + chunk.length > options.bytesMax) {
        throw exhausted('blob_too_large', `there are more than ${options.bytesMax} bytes`)
      }
      await blob.append(chunk)
    }
    // Leaving the scope closes the file and takes it away: not before it is in its place.
    return await blob.commit(options.digest, options.onDigest)
  }

  /** Until disposed of, these blobs stay, whether they are there already or come meanwhile. */
  hold(digests: Iterable<string>): AsyncDisposable & { add(digest: string): void } {
    const held: string[] = []
    const add = (digest: string) => {
      held.push(digest)
      this.#holds.set(digest, (this.#holds.get(digest) ?? 0) + 1)
    }
    for (const digest of digests) add(digest)
    return {
      add,
      [Symbol.asyncDispose]: async () => {
        for (const digest of held.splice(0)) await this.#release(digest)
      },
    }
  }

  /** Takes a blob away, unless it is held or an image needs it. */
  async collect(digest: string): Promise<void> {
    if (await this.#isUsed(digest)) return
    if (this.#holds.has(digest)) return
    // Synchronously, so that nobody takes hold of it in between; freeing the bytes may take its time.
    const grave = this.temporaryPath()
    try {
      renameSync(this.path(digest), grave)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return
      throw error
    }
    await rm(grave, { force: true })
  }

  async #release(digest: string): Promise<void> {
    const count = this.#holds.get(digest)! - 1
    if (count > 0) {
      this.#holds.set(digest, count)
      return
    }
    this.#holds.delete(digest)
    await this.collect(digest)
  }
}

/** Bytes on their way to be a blob. Leaving its scope without `commit` leaves nothing. */
export class NewBlob implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #path: string
  readonly #place: (digest: string) => string
  #hash: Hash = createHash('sha256')
  #bytes = 0
  #done = false

  constructor(file: FileHandle, path: string, place: (digest: string) => string) {
    this.#file = file
    this.#path = path
    this.#place = place
  }

  get bytes(): number {
    return this.#bytes
  }

  async append(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk)
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, done, chunk.length - done, this.#bytes)
      done += bytesWritten
      this.#bytes += bytesWritten
    }
  }

  /** Begins anew. */
  async reset(): Promise<void> {
    await this.#file.truncate(0)
    this.#hash = createHash('sha256')
    this.#bytes = 0
  }

  /** Rejects with code `digest_mismatch` when it is not what was expected. `onDigest` is told before the blob is in its place. */
  async commit(
    expected?: string,
    onDigest?: (digest: string) => void,
  ): Promise<{ digest: string; bytes: number }> {
    const digest = `sha256:${this.#hash.digest('hex')}`
    if (expected !== undefined && digest !== expected) {
      throw invalid('digest_mismatch', `filesystem layer verification failed for digest ${expected}`)
    }
    onDigest?.(digest)
    await this.#file.sync()
    await rename(this.#path, this.#place(digest))
    this.#done = true
    return { digest, bytes: this.#bytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    if (!this.#done) await rm(this.#path, { force: true })
  }
}

/** Only a digest becomes part of a path. */
function fileName(digest: string): string {
  if (!isDigest(digest)) throw invalid('bad_digest', `${JSON.stringify(digest)} is not a sha256 digest`)
  return digest.slice('sha256:'.length)
}
