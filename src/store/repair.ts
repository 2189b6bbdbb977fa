/**
 * Puts the newest good backup of the state store in its place, and makes it agree with what the state directory has: what was removed
 * since is taken out, volumes made since are kept under new names, and files of containers that it does not know are put aside, where
 * the daemon would have taken them away. What runs is not touched: the next daemon adopts it.
 *
 *     1. find a backup that is sound        2. copy it, and let it agree        3. put the store aside        4. rename the copy
 *
 * Ended between 3 and 4 there is no store, with which no daemon starts; repairing again then goes on.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { hasCode, messageOf, unavailable } from '../lib/errors.ts'
import { type Backup, listBackups, settle, syncPath } from './backups.ts'
import { executedMigrations, refuseNewer } from './database.ts'
import { checkIntegrity, openSqlite } from './sqlite.ts'

export interface RepairOptions {
  readonly stateDir: string
  readonly runtimeDir: string
  /** Goes back to an older backup also from a store that only a newer version can read. */
  readonly downgrade?: boolean
}

export interface Repair {
  /** What was wrong; null: nothing, and nothing was done. */
  readonly fault: string | null
  /** The backup that is the store now. */
  readonly backup: string
  /** Where the damaged store and the files of unknown containers are. */
  readonly aside: string
  /** What the backup does not know, or knows otherwise: a sentence each. */
  readonly lost: readonly string[]
}

/** No daemon may run. Throws code `no_backup` where none is good; then nothing was changed. */
export function repairStore(options: RepairOptions): Repair {
  const store = join(options.stateDir, 'state.sqlite')
  const fault = faultOf(store, options)
  if (fault === null) return { fault, backup: '', aside: '', lost: [] }
  const draft = `${store}.repairing`
  const backup = copyGood(store, draft)
  const time = new Date().toISOString().replace(/[-:.]/g, '')
  const aside = join(options.stateDir, 'aside', time)
  mkdirSync(aside, { recursive: true, mode: 0o700 })
  const lost = [`everything that was recorded after ${timeOf(backup)}`, ...agree(draft, options, aside)]
  settle(draft)
  // Its log first: it would be taken for that of the copy.
  for (const suffix of ['-wal', '-shm', '-journal', '']) {
    if (existsSync(`${store}${suffix}`))
      renameSync(`${store}${suffix}`, join(aside, basename(`${store}${suffix}`)))
  }
  renameSync(draft, store)
  syncPath(options.stateDir)
  return { fault, backup: backup.path, aside, lost }
}

function faultOf(store: string, { downgrade = false }: RepairOptions): string | null {
  if (!existsSync(store) || statSync(store).size === 0) {
    return listBackups(store).length > 0 ? 'the state store is gone' : null
  }
  try {
    const sqlite = openSqlite(store)
    try {
      checkIntegrity(sqlite, store)
      refuseNewer(executedMigrations(sqlite), store)
      return null
    } finally {
      sqlite.close()
    }
  } catch (error) {
    const mends = hasCode(error, 'store_corrupt') || (downgrade && hasCode(error, 'store_newer'))
    if (!mends) throw error
    return messageOf(error).split('. ')[0]!
  }
}

/** The newest backup that is sound and can be read by this version, as a file of its own. */
function copyGood(store: string, draft: string): Backup {
  const refused: string[] = []
  for (const backup of listBackups(store)) {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${draft}${suffix}`, { force: true })
    copyFileSync(backup.path, draft)
    try {
      settle(draft)
      const sqlite = new DatabaseSync(draft)
      try {
        refuseNewer(executedMigrations(sqlite), backup.path)
      } finally {
        sqlite.close()
      }
      return backup
    } catch (error) {
      refused.push(`${basename(backup.path)}: ${messageOf(error)}`)
    }
  }
  rmSync(draft, { force: true })
  throw unavailable(
    'no_backup',
    `there is no good backup of ${store} in ${join(dirname(store), 'backups')}${refused.length > 0 ? ` (${refused.join('; ')})` : ''}; nothing was changed`,
  )
}

function agree(draft: string, options: RepairOptions, aside: string): string[] {
  const sqlite = new DatabaseSync(draft)
  try {
    sqlite.exec('pragma foreign_keys = on; begin')
    const told = [
      ...(has(sqlite, 'containers') ? agreeOnContainers(sqlite, options, aside) : []),
      ...(has(sqlite, 'volumes') ? agreeOnVolumes(sqlite, options) : []),
    ]
    sqlite.exec('commit')
    return told
  } finally {
    sqlite.close()
  }
}

const has = (sqlite: DatabaseSync, table: string): boolean =>
  sqlite.prepare('select 1 from sqlite_master where name = ?').all(table).length > 0

function agreeOnContainers(
  sqlite: DatabaseSync,
  { stateDir, runtimeDir }: RepairOptions,
  aside: string,
): string[] {
  const told: string[] = []
  const directories = new Set(
    namesIn(join(stateDir, 'containers')).filter((name) => /^[0-9a-f]{64}$/.test(name)),
  )
  for (const row of sqlite.prepare('select id, name, sandbox from containers').all()) {
    const [id, name] = [String(row.id), String(row.name)]
    if (!directories.delete(id)) {
      sqlite.prepare('delete from containers where id = ?').run(id)
      told.push(`container ${name} (${id.slice(0, 12)}) had been removed since: it stays removed`)
    } else if (row.sandbox === null && existsSync(join(runtimeDir, 's', sandboxName(id)))) {
      told.push(
        `container ${name} (${id.slice(0, 12)}) had been started since: the next daemon ends it; start it again`,
      )
    }
  }
  for (const id of directories) {
    const moved = [`containers/${id}`, `disks/${sandboxName(id)}`].filter((path) =>
      existsSync(join(stateDir, path)),
    )
    for (const path of moved) {
      mkdirSync(dirname(join(aside, path)), { recursive: true, mode: 0o700 })
      renameSync(join(stateDir, path), join(aside, path))
    }
    told.push(
      `a container ${id.slice(0, 12)} had been created since and is forgotten: its log and disk are put aside, and its sandbox, if it runs, is ended by the next daemon`,
    )
  }
  return told
}

/** As vm/directories.ts names them. */
const sandboxName = (id: string): string => id.slice(0, 24)

/** A volume's data is worth more than its name. */
function agreeOnVolumes(sqlite: DatabaseSync, { stateDir }: RepairOptions): string[] {
  const told: string[] = []
  const directory = join(stateDir, 'volumes', 'v')
  const disks = new Set(namesIn(directory).filter((id) => existsSync(join(directory, id, 'disk.img'))))
  for (const row of sqlite.prepare('select id, name from volumes').all()) {
    if (disks.delete(String(row.id))) continue
    sqlite.prepare('delete from volumes where id = ?').run(row.id!)
    told.push(`volume ${row.name} had been removed since: it stays removed`)
  }
  for (const id of disks) {
    const name = `recovered-${id.slice(0, 12)}`
    const { size, birthtimeMs } = statSync(join(directory, id, 'disk.img'))
    sqlite
      .prepare(
        'insert into volumes (id, project, name, driver, labels, options, size_bytes, anonymous, pristine, state, created_at_ms) ' +
          "select ?, id, ?, 'local', '{}', '{}', ?, 0, 0, 'ready', ? from projects order by created_at_ms limit 1",
      )
      .run(id, name, size, Math.round(birthtimeMs))
    told.push(`a volume had been created since: it is called ${name} now`)
  }
  return told
}

function timeOf({ time }: Backup): string {
  return time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/, '$1-$2-$3 $4:$5:$6 UTC')
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}
