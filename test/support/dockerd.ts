/** Debian's dockerd, with the containerd and runc it brings, in an enclosure of its own: what ours is compared with. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../src/lib/deadline.ts'
import { minuteMs } from '../../src/lib/units.ts'
import { placeOf, removeTraces, removeTracesOfKilled, startEnclosed } from './enclosure.ts'

/** Its defaults, all its state in `directory` (on the disk) and in the enclosure it is started in. */
export function dockerdArguments(options: { directory: string; socket: string; cgroup: string }): string[] {
  const { directory, socket, cgroup } = options
  mkdirSync(directory, { recursive: true })
  const configFile = join(directory, 'daemon.json')
  // Not the host's own /etc/docker/daemon.json.
  writeFileSync(configFile, '{}')
  return [
    ...['--config-file', configFile],
    ...['--data-root', join(directory, 'data')],
    ...['--exec-root', '/run/docker'],
    ...['--pidfile', '/run/dockerd.pid'],
    ...['--host', `unix://${socket}`],
    ...['--cgroup-parent', `/${cgroup}`],
  ]
}

/** With the pid of who started it. */
const namePrefix = 'hummingbird-dockerd-'

export class Dockerd implements AsyncDisposable {
  /** Seen from the host, where its network is not. */
  readonly socket: string
  readonly #name: string
  readonly #child: ChildProcess

  private constructor(name: string, socket: string, child: ChildProcess) {
    this.#name = name
    this.socket = socket
    this.#child = child
  }

  /** Rejects with the end of its log where it cannot run. One for a process. */
  static async start(): Promise<Dockerd> {
    await removeTracesOfKilled(namePrefix)
    const name = `${namePrefix}${process.pid}`
    const { directory, cgroup } = placeOf(name)
    const socket = join(directory, 'docker.sock')
    const args = dockerdArguments({ directory, socket, cgroup })
    const logFile = join(directory, 'dockerd.log')
    const log = openSync(logFile, 'a')
    const child = startEnclosed(name, ['dockerd', ...args], { stdio: ['ignore', log, log] })
    closeSync(log)
    const dockerd = new Dockerd(name, socket, child)
    try {
      await until('dockerd to answer', () => dockerd.#ended() || existsSync(socket), { deadlineMs: minuteMs })
      if (dockerd.#ended()) throw new Error('dockerd ended at its start')
    } catch (error) {
      const said = readFileSync(logFile, 'utf8').slice(-4_000)
      await dockerd[Symbol.asyncDispose]()
      throw new Error(`${(error as Error).message}; it is Debian's docker.io that is needed here:\n${said}`)
    }
    return dockerd
  }

  /** `20.10.24+dfsg1`. */
  static version(): string {
    const said = execFileSync('dockerd', ['--version'], { encoding: 'utf8' })
    return /version ([^\s,]+)/.exec(said)?.[1] ?? said.trim()
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended()) {
      const gone = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await gone
    }
    await removeTraces(this.#name)
  }
}
