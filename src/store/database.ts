/**
 * The state store: SQLite through Kysely, one file, written before anything is acknowledged (WAL, synchronous=FULL). It is looked
 * through when it is opened, and copied before its tables change and while it is used (backups.ts).
 * Each noun has its own file of tables and queries beside this one, and takes `database.withTables<…>()`.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { Kysely, SqliteDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import { hasCode, internal, messageOf, unavailable } from '../lib/errors.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { minuteMs } from '../lib/units.ts'
import { dropUnfinished, listBackups, makeBackup, RegularBackups } from './backups.ts'
import { migrations } from './migrations/index.ts'
import { asBetterSqlite, checkIntegrity, openSqlite, reserveLog } from './sqlite.ts'

export interface ProjectTables {
  projects: { id: string; name: string; created_at_ms: number }
}

export type Database = Kysely<ProjectTables>

/** The project of everybody until there is log-in. */
export const defaultProject = 'default'

export interface StateStore {
  readonly database: Database
  /** Copies what is new, and closes. */
  close(): Promise<void>
}

/** Opens as `openDatabase`, and keeps backups from then on. */
export async function openStore(
  path: string,
  { log = silentLog, backupEveryMs = 2 * minuteMs }: { log?: Log; backupEveryMs?: number } = {},
): Promise<StateStore> {
  dropUnfinished(path)
  const { sqlite, database } = await open(path, log)
  reserveLog(path)
  const backups = new RegularBackups(sqlite, path, newest(Object.keys(migrations)), {
    log,
    everyMs: backupEveryMs,
  })
  return {
    database,
    async close() {
      await backups.close()
      await database.destroy()
    },
  }
}

/**
 * Opens and migrates. `:memory:` for tests. Rejects with a sentence that says what to do, and leaves the file as it is: codes
 * `store_locked`, `store_corrupt`, `store_missing`, `store_newer`, `store_unwritable`, `disk_full`, and `store_unusable` for all else.
 */
export async function openDatabase(path: string): Promise<Database> {
  return (await open(path, silentLog)).database
}

async function open(path: string, log: Log): Promise<{ sqlite: DatabaseSync; database: Database }> {
  if (path === ':memory:') return migrated(openSqlite(path), path, log)
  prepare(path)
  const sqlite = openSqlite(path)
  try {
    checkIntegrity(sqlite, path)
    return await migrated(sqlite, path, log)
  } catch (error) {
    sqlite.close()
    throw error
  }
}

/** A store that has gone is not begun anew: what it knew would be swept away. */
function prepare(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unavailable(
      'store_unwritable',
      `the directory of the state store cannot be made: ${messageOf(error)}`,
    )
  }
  if ((existsSync(path) && statSync(path).size > 0) || listBackups(path).length === 0) return
  throw unavailable(
    'store_missing',
    `the state store ${path} is gone or empty, but there are backups of it. \`hb repair\` puts the newest good one in its place; to begin with nothing, take the state directory away`,
  )
}

async function migrated(
  sqlite: DatabaseSync,
  path: string,
  log: Log,
): Promise<{ sqlite: DatabaseSync; database: Database }> {
  const before = executedMigrations(sqlite)
  refuseNewer(before, path)
  if (before.length > 0 && before.length < Object.keys(migrations).length) {
    const backup = await makeBackup(sqlite, path, 'upgrade', newest(before))
    log.info({ from: newest(before), backup }, 'the state store is brought up to date; this is how it was')
  }
  const database = new Kysely<ProjectTables>({
    dialect: new SqliteDialect({ database: asBetterSqlite(sqlite, path) }),
  })
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (!error) return { sqlite, database }
  if (hasCode(error, 'disk_full') || hasCode(error, 'store_unwritable')) throw error
  throw internal(
    'store_unusable',
    `the state store ${path} cannot be brought up to date: ${messageOf(error)}`,
    {
      cause: error,
    },
  )
}

/** Those that have run, oldest first. */
export function executedMigrations(sqlite: DatabaseSync): readonly string[] {
  const tables = sqlite.prepare("select 1 from sqlite_master where name = 'kysely_migration'").all()
  if (tables.length === 0) return []
  return sqlite
    .prepare('select name from kysely_migration order by name')
    .all()
    .map(({ name }) => String(name))
}

/** Throws code `store_newer`. */
export function refuseNewer(executed: readonly string[], path: string): void {
  const unknown = executed.filter((name) => !(name in migrations))
  if (unknown.length === 0) return
  throw unavailable(
    'store_newer',
    `the state store ${path} was written by a newer version of Hummingbird (${unknown.join(', ')}), which this one cannot read: ` +
      'run that version again; or, to give up what it wrote, `hb repair --downgrade` goes back to the backup from before it',
  )
}

const newest = (names: readonly string[]): string => [...names].sort().at(-1) ?? 'empty'
