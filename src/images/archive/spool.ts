/**
 * An archive given to `load`, in a temporary file, with an index of what is in it: its parts refer to one another in any
 * order. Nothing in it is ever a path of ours.
 */
import { createReadStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { decompressed } from '../../lib/compression.ts'
import { exhausted, invalid } from '../../lib/errors.ts'
import { badTar } from '../../lib/tar/header.ts'
import { type TarEntry, TarReader } from '../../lib/tar/reader.ts'
import { MiB } from '../../lib/units.ts'
import { components } from '../block/names.ts'
import type { ContentStore } from '../content-store.ts'
import { archiveEntriesMax } from '../limits.ts'

interface Member {
  readonly offset: number
  readonly bytes: number
  /** The member that a link goes to, by its name. */
  readonly link?: string
}

const linksMax = 5

export class Spool implements AsyncDisposable {
  readonly #path: string
  readonly #members: ReadonlyMap<string, Member>

  constructor(path: string, members: ReadonlyMap<string, Member>) {
    this.#path = path
    this.#members = members
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined
  }

  /** Rejects with kind `invalid` when it is not there. */
  bytes(name: string): number {
    return this.#get(name).bytes
  }

  read(name: string): AsyncIterable<Buffer> {
    const { offset, bytes } = this.#get(name)
    if (bytes === 0) return nothing()
    return createReadStream(this.#path, { start: offset, end: offset + bytes - 1, highWaterMark: 1 * MiB })
  }

  /** A small one, whole. */
  async readWhole(name: string, bytesMax: number): Promise<Buffer> {
    const { bytes } = this.#get(name)
    if (bytes > bytesMax)
      throw invalid('bad_archive', `${JSON.stringify(name)} in the archive has more than ${bytesMax} bytes`)
    return Buffer.concat(await Array.fromAsync(this.read(name)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { force: true })
  }

  #get(name: string): Member {
    const member = this.#find(name)
    if (!member)
      throw invalid(
        'bad_archive',
        `the archive refers to ${JSON.stringify(name.slice(0, 200))}, which is not in it`,
      )
    return member
  }

  #find(name: string): Member | undefined {
    let member = this.#members.get(components(name).join('/'))
    for (let hops = 0; member?.link !== undefined; hops++) {
      if (hops === linksMax) return undefined
      member = this.#members.get(member.link)
    }
    return member
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}

export async function spool(
  content: ContentStore,
  source: Readable,
  options: { bytesMax: number; signal: AbortSignal },
): Promise<Spool> {
  const path = content.temporaryPath()
  const members = new Map<string, Member>()
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      const reader = new TarReader(indexInto(members))
      let bytes = 0
      for await (const chunk of decompressed(source)) {
        options.signal.throwIfAborted()
        bytes += chunk.length
        if (bytes > options.bytesMax)
          throw exhausted('archive_too_large', `the archive has more than ${options.bytesMax} bytes`)
        reader.push(chunk)
        await file.writeFile(chunk)
      }
      reader.end()
    } finally {
      await file.close()
    }
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
  return new Spool(path, members)
}

function indexInto(members: Map<string, Member>) {
  return {
    entry(entry: TarEntry) {
      const name = components(entry.name).join('/')
      if (members.size >= archiveEntriesMax) throw badTar(`there are more than ${archiveEntriesMax} entries`)
      if (entry.type === 'file') members.set(name, { offset: entry.dataOffset, bytes: entry.size })
      // Old `docker save` has links for layers that images share.
      else if (entry.type === 'symlink') members.set(name, linkTo(relative(name, entry.linkName)))
      else if (entry.type === 'link') members.set(name, linkTo(components(entry.linkName).join('/')))
    },
    data() {},
    hole() {
      throw badTar('sparse files are not supported in an archive of images')
    },
    endEntry() {},
  }
}

const linkTo = (link: string): Member => ({ offset: 0, bytes: 0, link })

/** `../x/layer.tar` from `y/layer.tar`. It is a key in a map, so it cannot lead anywhere. */
function relative(from: string, target: string): string {
  const parts = target.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}
