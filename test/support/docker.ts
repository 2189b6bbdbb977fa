/** The real docker command against a daemon: runs to an end, runs beside the test, runs in a terminal. */
import assert from 'node:assert/strict'
import {
  DockerCommand,
  type Ended,
  installedDockers,
  type Running,
} from '../../src/api/support/docker-command.ts'
import { until, within } from '../../src/lib/deadline.ts'
import { minuteMs } from '../../src/lib/units.ts'
import { Terminal } from './terminal.ts'

/** Generous: a microVM without hardware virtualization beside others takes its time, and a pass takes none of it. */
export const patience = { deadlineMs: minuteMs, everyMs: 25 }

export interface RunOptions {
  readonly input?: string | Buffer
  readonly deadlineMs?: number
}

export class Docker implements Disposable {
  readonly version: string
  readonly command: DockerCommand

  /** The command that is first on the PATH, unless it is said which. */
  constructor(socket: string, which: { path: string; version: string } = firstDocker()) {
    this.version = which.version
    this.command = new DockerCommand(which.path, socket)
  }

  /** Runs to an end. Rejects when that does not come in time. */
  async run(
    args: readonly string[],
    { input = '', deadlineMs = 2 * minuteMs }: RunOptions = {},
  ): Promise<Ended> {
    const running = this.start(args)
    running.child.stdin!.end(input)
    try {
      return await within(running.ended, deadlineMs, `docker ${args.join(' ')}`)
    } catch (error) {
      running.child.kill('SIGKILL')
      const { stdout, stderr } = await running.ended
      throw new Error(`${(error as Error).message}; it said ${stdout.slice(-500)}${stderr.slice(-500)}`)
    }
  }

  /** What a command that succeeds said, without the last line's end. */
  async ok(args: readonly string[], options?: RunOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options)
    assert.equal(code, 0, `docker ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
    return stdout.replace(/\n$/, '')
  }

  /** What a command that fails said on standard error. */
  async fails(args: readonly string[], code = 1): Promise<string> {
    const ended = await this.run(args)
    assert.equal(ended.code, code, `docker ${args.join(' ')}: ${ended.stderr}${ended.stdout}`)
    return ended.stderr
  }

  start(args: readonly string[]): Running {
    return this.command.start(args)
  }

  terminal(args: readonly string[], size?: { rows: number; columns: number }): Terminal {
    return new Terminal(this.command, args, size)
  }

  /** `docker run -d` with these arguments; it is removed when the scope ends. */
  async container(...args: string[]): Promise<Container> {
    return new Container(this, await this.ok(['run', '-d', ...args]))
  }

  /** One field of `docker inspect`. */
  inspect(what: string, format: string): Promise<string> {
    return this.ok(['inspect', '--format', format, what])
  }

  [Symbol.dispose](): void {
    this.command[Symbol.dispose]()
  }
}

export class Container implements AsyncDisposable {
  readonly docker: Docker
  readonly id: string

  constructor(docker: Docker, id: string) {
    this.docker = docker
    this.id = id
  }

  inspect(format: string): Promise<string> {
    return this.docker.inspect(this.id, format)
  }

  logs(...args: string[]): Promise<string> {
    return this.docker.ok(['logs', ...args, this.id])
  }

  exec(...args: string[]): Promise<string> {
    return this.docker.ok(['exec', this.id, ...args])
  }

  /** Waits until its log holds the text. */
  async says(text: string | RegExp): Promise<string> {
    const matches = (log: string) => (typeof text === 'string' ? log.includes(text) : text.test(log))
    return until(
      `the container to say ${text}`,
      async () => {
        const { stdout, stderr } = await this.docker.run(['logs', this.id])
        if (matches(stdout + stderr)) return stdout + stderr
        throw new Error(`it said ${JSON.stringify((stdout + stderr).slice(-300))}`)
      },
      { ...patience, everyMs: 100 },
    )
  }

  async is(status: string): Promise<void> {
    await until(
      `the container to be ${status}`,
      async () => {
        const found = await this.inspect('{{.State.Status}}')
        if (found !== status) throw new Error(`it is ${found}`)
        return true
      },
      { ...patience, everyMs: 100 },
    )
  }

  /** It may have been removed by the test already. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.docker.run(['rm', '-f', this.id])
  }
}

export function firstDocker(): { path: string; version: string } {
  const [first] = installedDockers()
  if (!first) throw new Error('there is no docker command; scripts/setup.mjs installs one')
  return first
}
