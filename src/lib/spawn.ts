/**
 * The one place that starts child processes. `run` is for short helpers (ip, nft, sqfstar): no shell, a
 * deadline, bounded output, and an error that carries what the child said. `launch` is for processes that
 * outlive the daemon (QEMU).
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { internal } from './errors.ts'
import { MiB, minuteMs } from './units.ts'

/** Enough for any helper's report; a child that says more is not one of ours. */
const outputBytesMax = 16 * MiB

export interface RunOptions {
  input?: string | Uint8Array | Readable
  deadlineMs?: number
  signal?: AbortSignal
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Where standard output goes instead of into the result. */
  output?: Writable
}

export interface RunResult {
  stdout: string
  stderr: string
}

/** Rejects with kind `internal`, code `command_failed`, naming the command and the end of its stderr. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = spawn(command, args, {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    timeout: options.deadlineMs ?? minuteMs,
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'))
  })
  const fed = feed(child, options.input)
  const [stdout, stderr, status] = await Promise.all([
    options.output ? pipeline(child.stdout!, options.output).then(() => '') : collect(child.stdout!),
    collect(child.stderr!),
    ended,
    // A child that stops reading early shows in its status, not as our broken pipe.
    fed.catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') {
        child.kill('SIGKILL')
        throw error
      }
    }),
  ])
  if (status !== 0) {
    const said = stderr.trim().slice(-2000)
    throw internal(
      'command_failed',
      `${command} ${args.join(' ')} ended with ${status}${said ? `: ${said}` : ''}`,
    )
  }
  return { stdout, stderr }
}

async function feed(child: ChildProcess, input: RunOptions['input']): Promise<void> {
  if (input === undefined) return
  if (typeof input === 'string' || input instanceof Uint8Array) {
    await new Promise<void>((resolve, reject) => {
      child.stdin!.once('error', reject)
      child.stdin!.end(input, () => resolve())
    })
  } else await pipeline(input, child.stdin!)
}

async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += (chunk as Buffer).length
    if (bytes <= outputBytesMax) chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Starts a process in a session of its own that lives on when the daemon ends. */
export function launch(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, { ...options, detached: true })
  child.unref()
  return child
}
