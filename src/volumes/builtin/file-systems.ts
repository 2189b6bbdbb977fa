/**
 * The ext4 that a new volume has. It is made once for each size and written again from memory for every further volume of that
 * size: some hundred KiB with their holes, where mke2fs takes a process. All of it is known to be zero that is not written, so no guest
 * writes inode tables at its leisure; and there is room in the group descriptors for it to grow.
 */
import { mkdir, mkdtemp, open, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { readSparse, type SparseImage, writeSparse } from '../../lib/sparse.ts'
import { run } from '../../lib/spawn.ts'
import { GiB, KiB, MiB } from '../../lib/units.ts'

/** What users see of a volume is below this directory of it: the root has lost+found. */
export const dataDirectory = '_data'

const blockBytes = 4 * KiB
/** Sizes that differ from the default are few; each takes as much memory as is written of it. */
const keptMax = 8

export class FileSystems {
  readonly #directory: string
  readonly #images = new Map<number, Promise<SparseImage>>()

  /** `directory`: for what is made on the way. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** The file may not exist; it is on the disk when this resolves. */
  async write(path: string, bytes: number): Promise<void> {
    const image = await this.#image(bytes)
    await writeSparse(path, image, process.getuid!())
    await syncFile(path)
  }

  #image(bytes: number): Promise<SparseImage> {
    const kept = this.#images.get(bytes)
    if (kept) return kept
    const made = this.#make(bytes)
    this.#images.set(bytes, made)
    made.catch(() => this.#images.delete(bytes))
    for (const oldest of this.#images.keys()) {
      if (this.#images.size <= keptMax) break
      this.#images.delete(oldest)
    }
    return made
  }

  async #make(bytes: number): Promise<SparseImage> {
    const directory = await mkdtemp(join(this.#directory, 'making-'))
    try {
      const path = join(directory, 'disk.img')
      const root = join(directory, 'root')
      await mkdir(join(root, dataDirectory), { recursive: true, mode: 0o755 })
      const file = await open(path, 'wx', 0o600)
      await file.close()
      await truncate(path, bytes)
      await run('mke2fs', [...optionsFor(bytes), '-d', root, path])
      await syncFile(path)
      return await readSparse(path)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }
}

function optionsFor(bytes: number): string[] {
  const extended = ['assume_storage_prezeroed=1', 'nodiscard', 'root_owner=0:0']
  const { journalBytes, growthBytesMax } = shapeOf(bytes)
  if (bytes < growthBytesMax) extended.push(`resize=${growthBytesMax / blockBytes}`)
  return [
    ...['-q', '-F', '-t', 'ext4', '-b', String(blockBytes), '-m', '0', '-I', '256'],
    ...['-O', 'metadata_csum,64bit,resize_inode', '-J', `size=${journalBytes / MiB}`],
    ...['-E', extended.join(',')],
  ]
}

/**
 * The journal is written in turns, so in time all of it takes room on the host. Up to `growthBytesMax` descriptors of groups have room
 * already; growing changes all of that room at once, and a quarter of the journal must hold what is changed at once.
 */
function shapeOf(bytes: number): { readonly journalBytes: number; readonly growthBytesMax: number } {
  if (bytes < 128 * MiB) return { journalBytes: 4 * MiB, growthBytesMax: 512 * GiB }
  return { journalBytes: bytes < GiB ? 16 * MiB : 32 * MiB, growthBytesMax: 2_048 * GiB }
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Names in it are on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Where ext4 says that its journal holds what is not in its place yet. */
const superblock = { offset: 1_024, magicAt: 0x38, magic: 0xef53, incompatAt: 0x60, recover: 0x4 } as const

/** One bit of what a guest wrote; nothing else of it is looked at here. */
export async function needsRecovery(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(KiB), 0, KiB, superblock.offset)
    if (bytesRead < KiB || buffer.readUInt16LE(superblock.magicAt) !== superblock.magic) return false
    return (buffer.readUInt32LE(superblock.incompatAt) & superblock.recover) !== 0
  } finally {
    await file.close()
  }
}
