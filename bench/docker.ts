/** The docker CLI, pointed at one daemon, with a stopwatch. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { minuteMs } from '../src/lib/units.ts'

export class DockerFailure extends Error {}

export class DockerCli {
  readonly binary: string
  readonly host: string
  readonly #configDirectory: string

  /** `configDirectory`: empty, so that no one's plugins, contexts or logins are in the way. */
  constructor(binary: string, socket: string, configDirectory: string) {
    this.binary = binary
    this.host = `unix://${socket}`
    this.#configDirectory = configDirectory
  }

  /** Milliseconds from spawning the CLI to its exit. Throws a DockerFailure with what it said when it fails. */
  async time(...args: readonly string[]): Promise<number> {
    const start = performance.now()
    const child = this.#spawn(args, 'ignore')
    const end = new Promise<number>((resolve) => child.once('exit', () => resolve(performance.now())))
    await settle(child, args)
    return (await end) - start
  }

  /** Standard output, trimmed. */
  async read(...args: readonly string[]): Promise<string> {
    const child = this.#spawn(args, 'pipe')
    const chunks: Buffer[] = []
    child.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk))
    await settle(child, args)
    return Buffer.concat(chunks).toString('utf8').trim()
  }

  /** How many bytes the command writes to standard output. */
  async countOutput(...args: readonly string[]): Promise<number> {
    const child = this.#spawn(args, 'pipe')
    let bytes = 0
    child.stdout!.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    await settle(child, args)
    return bytes
  }

  #spawn(args: readonly string[], stdout: 'ignore' | 'pipe'): ChildProcess {
    return spawn(this.binary, args, {
      stdio: ['ignore', stdout, 'pipe'],
      env: {
        ...{ PATH: process.env.PATH, DOCKER_HOST: this.host, DOCKER_CONFIG: this.#configDirectory },
        // Both have the classic builder.
        DOCKER_BUILDKIT: '0',
      },
      // The CLI passes SIGTERM on to the container; only this ends the CLI itself.
      killSignal: 'SIGKILL',
      timeout: 3 * minuteMs,
    })
  }
}

async function settle(child: ChildProcess, args: readonly string[]): Promise<void> {
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-2000)
  })
  const status = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'nothing'))
  })
  if (status !== 0) throw new DockerFailure(`docker ${args.join(' ')} ended with ${status}: ${said.trim()}`)
}

/** The newest docker CLI on PATH and its version. */
export function newestDocker(): { binary: string; version: string } {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'docker'))
    .filter(isExecutable)
    .map((binary) => ({ binary, version: versionOf(binary) }))
  const [newest] = found.sort((a, b) => compareVersions(b.version, a.version))
  if (!newest)
    throw new Error('there is no docker CLI on PATH; `node scripts/setup.mjs --for test` installs one')
  return newest
}

function versionOf(binary: string): string {
  const said = execFileSync(binary, ['--version'], { encoding: 'utf8', timeout: minuteMs })
  return /version ([^\s,]+)/.exec(said)?.[1] ?? '0'
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
