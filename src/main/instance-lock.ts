/** One daemon for a runtime directory: two would fight over sandboxes. The lock is a pid that still runs. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { conflict } from '../lib/errors.ts'

/** A pid alone may have been used again since; its start time may not. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** Throws kind `conflict`, code `already_running`, naming the other's pid. Answers how to give the lock back. */
export function lockInstance(runtimeDir: string): () => void {
  mkdirSync(runtimeDir, { recursive: true, mode: 0o755 })
  const file = join(runtimeDir, 'daemon.pid')
  const mine = `${process.pid} ${startTicks(process.pid)}\n`
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(file, mine, { flag: 'wx', mode: 0o644 })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 2) throw error
    }
    const [pid, ticks] = readFileSync(file, 'utf8').trim().split(' ')
    if (pid !== undefined && startTicks(Number(pid)) === ticks) {
      throw conflict(
        'already_running',
        `a Hummingbird daemon (pid ${pid}) already uses ${runtimeDir}; stop it, or start this one with another --runtime-dir and --state-dir`,
      )
    }
    rmSync(file, { force: true })
  }
}
