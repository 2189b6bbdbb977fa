/**
 * One SQLite file: opened so that no other process has it, looked through before it is believed, and its failures in words
 * that say what to do. The rest of the store speaks Kysely.
 */
import { chmodSync, closeSync, fstatSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { exhausted, HummingbirdError, hasCode, internal, messageOf, unavailable } from '../lib/errors.ts'
import { MiB } from '../lib/units.ts'

/** SQLite's own numbers; the lowest eight bits of what it answers. */
const codes = { busy: 5, locked: 6, readOnly: 8, inputOutput: 10, corrupt: 11, full: 13, notADatabase: 26 }

/** A process that ended a moment ago may still hold the file. */
const busyTimeoutMs = 5_000

/**
 * WAL and synchronous=FULL: what a statement has written outlives a loss of power. The exclusive lock is the kernel's: it goes with
 * the process, however that ends. Throws kinds `unavailable` and `exhausted`, of the store of this path.
 */
export function openSqlite(path: string): DatabaseSync {
  let sqlite: DatabaseSync | undefined
  try {
    sqlite = new DatabaseSync(path)
    // It has what containers are told in confidence; SQLite gives the files beside it the mode of this one.
    if (path !== ':memory:') chmodSync(path, 0o600)
    sqlite.exec(
      `pragma busy_timeout = ${busyTimeoutMs}; pragma locking_mode = exclusive; pragma journal_mode = wal; ` +
        'pragma synchronous = full; pragma foreign_keys = on; begin immediate; commit',
    )
    return sqlite
  } catch (error) {
    sqlite?.close()
    throw explained(error, path)
  }
}

/** SQLite writes the log anew from its beginning when it has some 4 MB. */
const logBytes = 5 * MiB

/**
 * Takes the room of the write-ahead log beforehand: on a disk that has become full, containers can still be stopped and
 * removed, which is what makes room again. What follows the last frame of a log is not read.
 */
export function reserveLog(path: string): void {
  const fd = openSync(`${path}-wal`, 'r+')
  try {
    const { size } = fstatSync(fd)
    if (size < logBytes) writeSync(fd, Buffer.alloc(logBytes - size), 0, logBytes - size, size)
  } catch (error) {
    // Then there is as much as there is.
    if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EDQUOT')) throw error
  } finally {
    closeSync(fd)
  }
}

/** Throws code `store_corrupt` where a page, an index or a reference between tables is not as it was written. */
export function checkIntegrity(sqlite: DatabaseSync, path: string): void {
  let found: string[]
  try {
    const astray = sqlite.prepare('pragma foreign_key_check').all()
    found = sqlite
      .prepare('pragma integrity_check(3)')
      .all()
      .map((row) => String(row.integrity_check))
    for (const { table, parent } of astray)
      found.push(`${table} refers to rows of ${parent} that are not there`)
  } catch (error) {
    throw explained(error, path)
  }
  if (found.length !== 1 || found[0] !== 'ok') throw corrupt(path, found.slice(0, 3).join('; '))
}

/** The file as it is told to an operator: what is wrong with it and what helps. */
export function explained(error: unknown, path: string): unknown {
  if (error instanceof HummingbirdError) return error
  const options = { cause: error }
  if (!isSqliteError(error)) return isSystemError(error) ? unwritable(path, error.message, options) : error
  switch (error.errcode & 0xff) {
    case codes.busy:
    case codes.locked:
      return unavailable(
        'store_locked',
        `the state store ${path} is in use by another process${holder(path)}: end that first, or give this daemon another --state-dir`,
        options,
      )
    case codes.corrupt:
    case codes.notADatabase:
      return corrupt(path, messageOf(error), options)
    case codes.full:
      return exhausted(
        'disk_full',
        `no space left on device: the state store ${path} cannot be written; make room on its file system`,
        options,
      )
    case codes.readOnly:
    case codes.inputOutput:
      return unwritable(path, messageOf(error), options)
    default:
      return internal(
        'store_unusable',
        `the state store ${path} cannot be used: ${messageOf(error)}`,
        options,
      )
  }
}

const unwritable = (path: string, said: string, options: { cause: unknown }) =>
  unavailable(
    'store_unwritable',
    `the state store ${path} cannot be read or written (${said}): its file system may be read-only, full or failing; the kernel's log says more`,
    options,
  )

const corrupt = (path: string, found: string, options?: { cause: unknown }) =>
  unavailable(
    'store_corrupt',
    `the state store ${path} is damaged (${found}). Containers that run are not touched. \`hb repair\` puts the newest good backup in its place and says what that loses`,
    options,
  )

function isSqliteError(error: unknown): error is Error & { errcode: number } {
  return error instanceof Error && typeof (error as { errcode?: unknown }).errcode === 'number'
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string'
}

/** Who has a lock on the file, for a sentence; nothing where the kernel does not say. */
function holder(path: string): string {
  try {
    const { ino } = statSync(path)
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const fields = line.trim().split(/\s+/)
      if (fields[5]?.split(':')[2] === String(ino) && Number(fields[4]) > 0) return ` (pid ${fields[4]})`
    }
  } catch {
    // Then the sentence does without.
  }
  return ''
}

type Value = null | number | bigint | string | Uint8Array

/** Kysely speaks better-sqlite3's interface; node:sqlite differs in spreading its parameters. Failures are told as above. */
export function asBetterSqlite(sqlite: DatabaseSync, path: string) {
  const told = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw isOfTheHost(error) ? explained(error, path) : error
    }
  }
  return {
    close: () => sqlite.close(),
    prepare(sql: string) {
      const statement = told(() => sqlite.prepare(sql))
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => told(() => statement.all(...(parameters as Value[]))),
        run(parameters: readonly unknown[]) {
          // A full disk has ended the transaction already, and is what is to be told.
          if (sql === 'rollback' && !sqlite.isTransaction) return { changes: 0, lastInsertRowid: 0 }
          return told(() => statement.run(...(parameters as Value[])))
        },
        iterate: (parameters: readonly unknown[]) =>
          statement.iterate(...(parameters as Value[])) as IterableIterator<unknown>,
      }
    },
  }
}

/** What a statement can meet that is no mistake of the statement. */
function isOfTheHost(error: unknown): boolean {
  const ofTheHost: number[] = [codes.readOnly, codes.inputOutput, codes.corrupt, codes.full]
  return isSqliteError(error) && ofTheHost.includes(error.errcode & 0xff)
}
