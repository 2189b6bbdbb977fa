/**
 * The files of volumes and snapshots:
 *
 *     STATE/volumes/v/ID/disk.img      a volume
 *     STATE/volumes/s/ID/disk.img      a snapshot
 *     …/disk.new                       what takes the place of disk.img when it is whole
 *
 * Sandboxes have users of their own that open the one file they are given: directories can be searched, and not listed.
 */
import { chmod, mkdir, open, readdir, rename, rm, stat, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasCode } from '../../lib/errors.ts'
import { run } from '../../lib/spawn.ts'
import { minuteMs } from '../../lib/units.ts'
import { syncDirectory, syncFile } from './file-systems.ts'

/** Of a volume that is as large as a disk. */
const copyDeadlineMs = 180 * minuteMs

export type DiskKind = 'v' | 's'

export class Disks {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  async prepare(): Promise<void> {
    for (const kind of ['v', 's']) await mkdir(join(this.directory, kind), { recursive: true, mode: 0o711 })
    // What a daemon was making when it was killed.
    for (const entry of await readdir(this.directory)) {
      if (entry.startsWith('making-')) await rm(join(this.directory, entry), { recursive: true, force: true })
    }
  }

  path(kind: DiskKind, id: string): string {
    return join(this.directory, kind, id, 'disk.img')
  }

  list(kind: DiskKind): Promise<string[]> {
    return readdir(join(this.directory, kind))
  }

  /** `fill` is given a path that does not exist; the disk is there, wholly and durably, when this resolves. */
  async make(kind: DiskKind, id: string, fill: (path: string) => Promise<void>): Promise<void> {
    const path = this.path(kind, id)
    const directory = dirname(path)
    await mkdir(directory, { mode: 0o711 })
    await fill(path)
    await syncDirectory(directory)
    await syncDirectory(dirname(directory))
  }

  /** The disk is as it was, or as `fill` made it. */
  async replace(kind: DiskKind, id: string, fill: (path: string) => Promise<void>): Promise<void> {
    const path = this.path(kind, id)
    const next = join(dirname(path), 'disk.new')
    await rm(next, { force: true })
    try {
      await fill(next)
      await rename(next, path)
    } catch (error) {
      await rm(next, { force: true })
      throw error
    }
    await syncDirectory(dirname(path))
  }

  /** What was to take the place of a disk when the daemon was killed. */
  async dropUnfinished(kind: DiskKind, id: string): Promise<void> {
    await rm(join(dirname(this.path(kind, id)), 'disk.new'), { force: true })
  }

  async remove(kind: DiskKind, id: string): Promise<void> {
    await rm(dirname(this.path(kind, id)), { recursive: true, force: true })
  }

  async usedBytes(kind: DiskKind, id: string): Promise<number> {
    try {
      return (await stat(this.path(kind, id))).blocks * 512
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return 0
      throw error
    }
  }

  async grow(id: string, bytes: number): Promise<void> {
    const path = this.path('v', id)
    // It may have been made longer by a daemon that did not come to say so; shorter it never becomes.
    if ((await stat(path)).size < bytes) await truncate(path, bytes)
    await syncFile(path)
  }
}

/** Shares blocks where the file system of the host can, and keeps holes where it cannot. */
export async function copyDisk(from: string, to: string, bytes: number): Promise<void> {
  await run('cp', ['--reflink=auto', '--sparse=always', '--', from, to], { deadlineMs: copyDeadlineMs })
  await settle(to, bytes)
}

/** A file of so many bytes, all of them a hole, for somebody else to write into. */
export async function emptyDisk(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.truncate(bytes)
  } finally {
    await file.close()
  }
}

/** Of the daemon's user alone, at least so long, and on the disk. */
export async function settle(path: string, bytes: number): Promise<void> {
  await chmod(path, 0o600)
  if ((await stat(path)).size < bytes) await truncate(path, bytes)
  await syncFile(path)
}
