/**
 * One daemon for a runtime directory: two would fight over sandboxes. The lock is a file that names a process which still
 * runs; it comes into being whole, and one that names none is taken away by renaming, which only one can.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { conflict, hasCode } from './errors.ts'
import { isAlive, startTicksOf } from './processes.ts'

/** Others may come and go between two looks at the file, but not for ever. */
const attemptsMax = 10

/** Throws kind `conflict`, code `already_running`, naming the other's pid. Answers how to give the lock back. */
export function lockInstance(runtimeDir: string): () => void {
  mkdirSync(runtimeDir, { recursive: true, mode: 0o755 })
  const file = join(runtimeDir, 'daemon.pid')
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${process.pid} ${startTicksOf(process.pid)}\n`, { mode: 0o644 })
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (linked(draft, file)) return () => rmSync(file, { force: true })
      refuseIfHeld(file, runtimeDir)
      takeAway(file, `${draft}.stale`, runtimeDir)
    }
    throw conflict('already_running', `other daemons keep taking ${file}; start one of them only`)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** False when somebody has the lock. */
function linked(draft: string, file: string): boolean {
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

function refuseIfHeld(file: string, runtimeDir: string): void {
  const holder = holderOf(file)
  if (holder === undefined) return
  throw conflict(
    'already_running',
    `a Hummingbird daemon (pid ${holder}) already uses ${runtimeDir}; stop it, or start this one with another --runtime-dir and --state-dir`,
  )
}

/** undefined: nobody who still runs. */
function holderOf(file: string): string | undefined {
  try {
    const [pid, ticks] = readFileSync(file, 'utf8').trim().split(' ')
    return pid && isAlive({ pid: Number(pid), pidStartTicks: Number(ticks) }) ? pid : undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** What was looked at may have been replaced by another's since: that is put back. */
function takeAway(file: string, aside: string, runtimeDir: string): void {
  try {
    renameSync(file, aside)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  try {
    if (holderOf(aside) !== undefined) linked(aside, file)
    refuseIfHeld(aside, runtimeDir)
  } finally {
    rmSync(aside, { force: true })
  }
}
