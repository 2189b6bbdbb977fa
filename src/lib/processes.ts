/** Processes of the host, told apart from later ones with the same number. */
import { readdirSync, readFileSync } from 'node:fs'
import { hasCode } from './errors.ts'

export interface ProcessRecord {
  readonly pid: number
  /** Field 22 of /proc/PID/stat: a pid alone may have been used again. */
  readonly pidStartTicks: number
}

interface ProcessStat {
  readonly state: string
  readonly startTicks: number
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0]!, startTicks: Number(fields[19]) }
  } catch {
    return undefined
  }
}

export const startTicksOf = (pid: number): number | undefined => readStat(pid)?.startTicks

/** A zombie waits for its parent only; it holds nothing any more. */
export function isAlive({ pid, pidStartTicks }: ProcessRecord): boolean {
  const stat = readStat(pid)
  return stat !== undefined && stat.startTicks === pidStartTicks && stat.state !== 'Z' && stat.state !== 'X'
}

/** Ends exactly this process, if it still is one. */
export function killProcess(record: ProcessRecord): void {
  if (!isAlive(record)) return
  try {
    process.kill(record.pid, 'SIGKILL')
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}

/** Every process with an argument such as is `wanted`. */
export function processesWith(wanted: (argument: string) => boolean): ProcessRecord[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const pidStartTicks = Number.isInteger(pid) ? startTicksOf(pid) : undefined
    return pidStartTicks !== undefined && argumentsOf(pid).some(wanted) ? [{ pid, pidStartTicks }] : []
  })
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
