/**
 * Copies of the state store beside it, in `backups/`: one before every change of its tables, and one now and then while it is used.
 * What has a name there is whole: it is written beside, read through, synced and then renamed.
 *
 *     backups/20261125T010203456Z-008-builds-regular.sqlite     time, newest migration in it, why it was made
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { checkIntegrity } from './sqlite.ts'

/** Of each kind: one may have been made of what was wrong already. */
const keptOfKind = 3
/** Pages copied at a time; requests come in between. */
const pagesAtOnce = 256

export type BackupKind = 'regular' | 'upgrade'

export interface Backup {
  readonly path: string
  readonly time: string
  /** The newest migration that had run. */
  readonly migration: string
  readonly kind: BackupKind
}

export const backupDirectory = (store: string): string => join(dirname(store), 'backups')

/** The newest first. */
export function listBackups(store: string): readonly Backup[] {
  const directory = backupDirectory(store)
  return namesIn(directory)
    .sort()
    .reverse()
    .flatMap((name) => {
      const match = /^(\d{8}T\d{9}Z)-([\w-]+)-(regular|upgrade)\.sqlite$/.exec(name)
      if (!match) return []
      const [, time, migration, kind] = match as unknown as [string, string, string, BackupKind]
      return [{ path: join(directory, name), time, migration, kind }]
    })
}

/** Answers where it is. Of its kind the newest few are kept. Throws `store_corrupt` where the copy is not sound, and keeps none of it. */
export async function makeBackup(
  sqlite: DatabaseSync,
  store: string,
  kind: BackupKind,
  migration: string,
): Promise<string> {
  const directory = backupDirectory(store)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const time = new Date().toISOString().replace(/[-:.]/g, '')
  const path = join(directory, `${time}-${migration}-${kind}.sqlite`)
  const draft = `${path}.unfinished`
  try {
    await backup(sqlite, draft, { rate: pagesAtOnce })
    settle(draft)
    renameSync(draft, path)
  } catch (error) {
    removeDraft(draft)
    throw error
  }
  syncPath(directory)
  const kept = listBackups(store).filter((one) => one.kind === kind)
  for (const { path: old } of kept.slice(keptOfKind)) rmSync(old, { force: true })
  return path
}

/** A file that stands alone, without a log beside it, and is on the disk. Throws `store_corrupt`. */
export function settle(path: string): void {
  const copy = new DatabaseSync(path)
  try {
    chmodSync(path, 0o600)
    copy.exec('pragma journal_mode = delete')
    checkIntegrity(copy, path)
  } finally {
    copy.close()
  }
  syncPath(path)
}

export function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** What a daemon that was killed had begun. */
export function dropUnfinished(store: string): void {
  const directory = backupDirectory(store)
  for (const name of namesIn(directory)) {
    if (name.includes('.sqlite.unfinished')) rmSync(join(directory, name), { force: true })
  }
}

/** Makes backups while there is something new. A failure is a warning: the store itself is still there. */
export class RegularBackups {
  readonly #sqlite: DatabaseSync
  readonly #store: string
  readonly #migration: string
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  #copied: unknown
  #running: Promise<void> | undefined

  constructor(
    sqlite: DatabaseSync,
    store: string,
    migration: string,
    { log, everyMs }: { readonly log: Log; readonly everyMs: number },
  ) {
    this.#sqlite = sqlite
    this.#store = store
    this.#migration = migration
    this.#log = log
    // What is the newest backup of an earlier daemon may be older than the store.
    this.#timer = setInterval(() => this.run(), everyMs)
    this.#timer.unref()
  }

  /** Resolves when there is a backup of all that has been written, or when it has been said that there is none. */
  run(): Promise<void> {
    this.#running ??= this.#copy().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
    await this.run()
  }

  async #copy(): Promise<void> {
    try {
      const changes = this.#sqlite.prepare('select total_changes() as n').get()?.n
      if (changes === this.#copied) return
      await makeBackup(this.#sqlite, this.#store, 'regular', this.#migration)
      this.#copied = changes
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'the state store could not be backed up')
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** With what SQLite may have put beside it. */
function removeDraft(draft: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(`${draft}${suffix}`, { force: true })
}
