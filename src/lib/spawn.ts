/**
 * The one place that starts child processes. `run` is for short helpers (ip, nft, mke2fs): no shell, a deadline, bounded
 * output, and an error that carries what the child said. `launch` is for processes that outlive the daemon (QEMU).
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { cancelled, hasCode, internal, messageOf } from './errors.ts'
import { MiB, minuteMs } from './units.ts'

/** Enough for any helper's report; a child that says more is not one of ours. */
const outputBytesMax = 16 * MiB

export interface RunOptions {
  input?: string | Uint8Array
  deadlineMs?: number
  signal?: AbortSignal
  cwd?: string
  env?: NodeJS.ProcessEnv
}

export interface RunResult {
  stdout: string
  stderr: string
}

/**
 * Rejects with kind `internal`, code `command_failed`, naming the command and the end of its stderr, or saying that it is
 * not there; with kind `cancelled` when the signal aborts. The child has ended then.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { input, deadlineMs = minuteMs, signal, cwd, env } = options
  if (signal?.aborted) throw stopped(command, signal)
  const child = spawn(command, args, {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  })
  let why: string | undefined
  const end = (reason: string) => {
    why ??= reason
    child.kill('SIGKILL')
    // A child of the child may hold them open: that must not keep us.
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
  const stdout = collect(child.stdout!, () => end(`said more than ${outputBytesMax} bytes`))
  const stderr = collect(child.stderr!, () => end(`said more than ${outputBytesMax} bytes`))
  // A child that stops reading early shows in its status, not as our broken pipe.
  child.stdin?.on('error', () => {}).end(input)
  const onAbort = () => end('was stopped')
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => end(`did not end within ${deadlineMs} ms`), deadlineMs)
  try {
    const status = await statusOf(child)
    if (signal?.aborted) throw stopped(command, signal)
    if (status === 0 && why === undefined) return { stdout: stdout(), stderr: stderr() }
    const said = stderr().trim().slice(-2000)
    const what = `${command} ${args.join(' ')} ${why ?? `ended with ${status}`}`
    throw internal('command_failed', said ? `${what}: ${said}` : what)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

const stopped = (command: string, signal: AbortSignal) =>
  cancelled('cancelled', `${command} was stopped: the request was cancelled`, { cause: signal.reason })

function statusOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(notStarted(child.spawnfile, error)))
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'))
  })
}

function notStarted(command: string, error: Error): Error {
  const why = hasCode(error, 'ENOENT')
    ? 'it is not there; `hb doctor` names the package that brings it'
    : messageOf(error)
  return internal('command_failed', `${command} cannot be started: ${why}`, { cause: error })
}

/** Answers what has come so far, whenever asked. */
function collect(stream: Readable, tooMuch: () => void): () => string {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= outputBytesMax) chunks.push(chunk)
    else tooMuch()
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

/** Starts a process in a session of its own that lives on when the daemon ends. */
export function launch(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, { ...options, detached: true })
  child.unref()
  return child
}
