/** An image store of its own for a test, gone when the test is over. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { silentLog } from '../../lib/log.ts'
import { run } from '../../lib/spawn.ts'
import { openDatabase } from '../../store/database.ts'
import { createImageRecords } from '../../store/images.ts'
import { createImages, type Images, type ImagesOptions } from '../images.ts'
import type { ImageRecords } from '../records.ts'

export interface Fixture {
  readonly images: Images
  readonly directory: string
  readonly records: ImageRecords
  readonly events: {
    project: string
    action: string
    id: string
    attributes: Readonly<Record<string, string>>
  }[]
  /** As the next daemon would find it. */
  reopen(): Promise<Images>
  /** Names of files that stay: blobs and block images; and that should not: temporary ones. */
  files(): Promise<{ blobs: string[]; blocks: string[]; temporary: string[] }>
}

export const scope = { project: 'default' }
export const other = { project: 'other' }

export async function imageFixture(t: TestContext, options: Partial<ImagesOptions> = {}): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'hb-images-'))
  const database = await openDatabase(':memory:')
  t.after(async () => {
    await database.destroy()
    await rm(directory, { recursive: true, force: true })
  })
  const events: Fixture['events'] = []
  const records = createImageRecords(database)
  const open = () =>
    createImages({
      directory,
      records,
      log: silentLog,
      events: (project, action, id, attributes) => events.push({ project, action, id, attributes }),
      insecureRegistries: [],
      ...options,
    })
  return {
    images: await open(),
    directory,
    records,
    events,
    reopen: open,
    async files() {
      const [blobs, block, temporary] = await Promise.all(
        ['blobs', 'block', 'temporary'].map((name) => readdir(join(directory, name))),
      )
      return {
        blobs: blobs!,
        blocks: block!.filter((name) => name.endsWith('.squashfs')),
        temporary: [...temporary!, ...block!.filter((name) => !name.endsWith('.squashfs'))],
      }
    },
  }
}

export function importTar(
  images: Images,
  tar: Buffer,
  options: { reference?: string; changes?: string[] } = {},
) {
  return images.import(scope, Readable.from([tar]), {
    ...(options.reference === undefined ? {} : { reference: options.reference }),
    message: '',
    changes: options.changes ?? [],
    signal: AbortSignal.timeout(60_000),
  })
}

/** Lines of `unsquashfs -lln`: mode, owner, size, date, path; the root is `/`. */
export async function listing(path: string): Promise<string[]> {
  const { stdout } = await run('unsquashfs', ['-lln', '-d', '', path], {
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
  })
  return stdout
    .split('\n')
    .filter((line) => /^[-dlcbps]/.test(line))
    .map((line) => line.replaceAll(/ +/g, ' '))
}

/** Paths alone. */
export async function paths(path: string): Promise<string[]> {
  const { stdout } = await run('unsquashfs', ['-l', '-d', '', path])
  return stdout.split('\n').filter((line) => line.startsWith('/'))
}

export async function cat(path: string, file: string): Promise<string> {
  return (await run('unsquashfs', ['-cat', path, file])).stdout
}
