/** Daemons of the bench: started with a log file, known to be ready, stopped by pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { until, within } from '../../src/lib/deadline.ts'

export interface Daemon {
  readonly pid: number
  stop(): Promise<void>
}

export interface DaemonOptions {
  readonly logFile: string
  readonly env?: Readonly<Record<string, string>>
  readonly readyWithinMs: number
  /** Resolves when the daemon answers; rejects until then. */
  readonly ready: () => Promise<unknown>
}

/** Rejects with the end of the daemon's log when it ends or does not get ready; it is stopped then. */
export async function startDaemon(
  command: string,
  args: readonly string[],
  options: DaemonOptions,
): Promise<Daemon> {
  const log = openSync(options.logFile, 'a')
  const child = spawn(command, args, {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...options.env },
  })
  closeSync(log)
  const daemon: Daemon = { pid: child.pid ?? -1, stop: () => stop(child) }
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`${command} ended with ${code ?? signal}`)))
  })
  const ready = until(`${command} to answer`, () => options.ready().then(() => true), {
    deadlineMs: options.readyWithinMs,
    everyMs: 50,
  })
  ready.catch(() => {})
  failed.catch(() => {})
  try {
    await Promise.race([ready, failed])
  } catch (error) {
    await daemon.stop()
    throw new Error(`${(error as Error).message}\n${readFileSync(options.logFile, 'utf8').slice(-4000)}`)
  }
  return daemon
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  try {
    await within(gone, 20_000, 'stopping a daemon')
  } catch {
    child.kill('SIGKILL')
    await gone
  }
}

/** Pids whose command line has the text in it. Only the enclosure's own processes can be seen. */
export function processesWith(text: string): number[] {
  return pids().filter((pid) => readProcess(pid, 'cmdline').replaceAll('\0', ' ').includes(text))
}

export function processesOfUser(uid: number): number[] {
  return pids().filter((pid) => new RegExp(`^Uid:\\s+${uid}\\s`, 'm').test(readProcess(pid, 'status')))
}

function pids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

/** Empty when it has ended meanwhile. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
