/**
 * The state store: SQLite through Kysely, one file, written before anything is acknowledged (WAL, synchronous=FULL).
 * Each noun has its own file of tables and queries beside this one, and takes `database.withTables<…>()`.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, SqliteDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import { internal } from '../lib/errors.ts'
import { migrations } from './migrations/index.ts'

export interface ProjectTables {
  projects: { id: string; name: string; created_at_ms: number }
}

export type Database = Kysely<ProjectTables>

/** The project of everybody until there is log-in. */
export const defaultProject = 'default'

/** Opens and migrates. `:memory:` for tests. Rejects with code `store_unusable` when the file cannot be used. */
export async function openDatabase(path: string): Promise<Database> {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const sqlite = new DatabaseSync(path)
    sqlite.exec(
      'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000',
    )
    const database = new Kysely<ProjectTables>({
      dialect: new SqliteDialect({ database: asBetterSqlite(sqlite) }),
    })
    const migrator = new Migrator({ db: database, provider: { getMigrations: async () => migrations } })
    const { error } = await migrator.migrateToLatest()
    if (error) throw error
    return database
  } catch (error) {
    throw internal(
      'store_unusable',
      `the state store ${path} cannot be opened: ${(error as Error).message}`,
      {
        cause: error,
      },
    )
  }
}

type Value = null | number | bigint | string | Uint8Array

/** Kysely speaks better-sqlite3's interface; node:sqlite differs in spreading its parameters. */
function asBetterSqlite(sqlite: DatabaseSync) {
  return {
    close: () => sqlite.close(),
    prepare(sql: string) {
      const statement = sqlite.prepare(sql)
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as Value[])),
        run: (parameters: readonly unknown[]) => statement.run(...(parameters as Value[])),
        iterate: (parameters: readonly unknown[]) =>
          statement.iterate(...(parameters as Value[])) as IterableIterator<unknown>,
      }
    },
  }
}
