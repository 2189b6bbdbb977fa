/** The real docker command, in each version that is installed, run against one socket with a configuration of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { minuteMs } from '../../lib/units.ts'

/** Every docker on the PATH and where Debian puts its own, once each; the first is what a user of this host gets. */
export function installedDockers(): { path: string; version: string }[] {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/local/bin', '/usr/bin']
  const found = new Map<string, { path: string; version: string }>()
  for (const directory of directories) {
    const path = join(directory, 'docker')
    const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
    const version = /version ([\d.]+)/.exec(stdout ?? '')?.[1]
    if (status === 0 && version) found.set(realpathSync(path), { path, version })
  }
  return [...found.values()]
}

/** No command of a test takes that long: it waits for what does not come. */
const stuckMs = 4 * minuteMs

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  /** Standard output until now. */
  said(): string
  readonly ended: Promise<Ended>
}

export class DockerCommand implements Disposable {
  readonly path: string
  readonly config: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly #children = new Set<ChildProcess>()

  constructor(path: string, socket: string) {
    this.path = path
    this.config = mkdtempSync(join(tmpdir(), 'hb-docker-config-'))
    this.environment = {
      PATH: process.env.PATH,
      TMPDIR: process.env.TMPDIR,
      HUMMINGBIRD_TEST_RUN: process.env.HUMMINGBIRD_TEST_RUN,
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_CONFIG: this.config,
      // The classic builder: by itself the command takes it only where there is no buildx.
      DOCKER_BUILDKIT: '0',
    }
  }

  start(args: readonly string[]): Running {
    return this.startProgram(this.path, args)
  }

  /** Another program that runs docker with this configuration: one that gives it a terminal. */
  startProgram(program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Running {
    const env = { ...this.environment, ...more }
    const child = spawn(program, args, { env, stdio: 'pipe', timeout: stuckMs, killSignal: 'SIGKILL' })
    this.#children.add(child)
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk) => stdout.push(chunk))
    child.stderr.on('data', (chunk) => stderr.push(chunk))
    // One that ends before it has read its input shows in its status.
    child.stdin.on('error', () => {})
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => {
        this.#children.delete(child)
        resolve({
          code,
          stdout: Buffer.concat(stdout).toString(),
          stderr: Buffer.concat(stderr).toString(),
        })
      })
    })
    return { child, said: () => Buffer.concat(stdout).toString(), ended }
  }

  /** Passes SIGTERM on to containers, so what is stuck is ended with SIGKILL. */
  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.config, { recursive: true, force: true })
  }
}
