/** A real daemon in directories of its own, that can be stopped, killed and started again, and leaves nothing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkout } from '../../scripts/setup/artifacts.mjs'
import { processesOf } from '../../scripts/test/host-state.mjs'
import { until, within } from '../../src/lib/deadline.ts'
import { Rollback } from '../../src/lib/rollback.ts'
import { run } from '../../src/lib/spawn.ts'
import { minuteMs, secondMs } from '../../src/lib/units.ts'
import { Cgroups } from '../../src/vm/jail/cgroups.ts'
import { endKeepers } from '../../src/vm/jail/sealed-memory.ts'

export interface DaemonOptions {
  /** Clones kept ready; each is a QEMU process more that a busy host has to carry. */
  readonly poolSize?: number
  readonly args?: readonly string[]
  /** The state directory is then a file system of its own, of so many bytes. */
  readonly stateBytes?: number
}

/** The first start of a host makes templates; on a busy one without virtualization that takes its time. */
const readyDeadlineMs = 2 * minuteMs
const stopDeadlineMs = minuteMs

const letters = (count: number) =>
  Array.from({ length: count }, () => String.fromCharCode(97 + randomInt(26))).join('')

export class Daemon implements AsyncDisposable {
  /** Of everything it makes in the host's networks: several daemons run at once. */
  readonly prefix = `t${letters(3)}`
  readonly stateDir = mkdtempSync(join(tmpdir(), 'hb-state-'))
  readonly runtimeDir: string
  readonly templateDir: string
  readonly socket: string
  readonly subnet: string
  readonly #logFile: string
  readonly #args: readonly string[]
  readonly #stateBytes: number | undefined
  #child: ChildProcess | undefined

  private constructor({ poolSize = 1, args = [], stateBytes }: DaemonOptions) {
    const name = `hb-${process.env.HUMMINGBIRD_TEST_RUN ?? 'alone'}-${this.prefix}`
    // Not below the temporary directory: the sockets in it have 107 characters at most.
    this.runtimeDir = join('/run', name)
    this.templateDir = join('/dev/shm', name)
    this.socket = join(this.runtimeDir, 'docker.sock')
    this.subnet = `10.${64 + ((process.pid >> 8) & 63)}.${process.pid & 255}.0/24`
    // QEMU's own users have to come through.
    chmodSync(this.stateDir, 0o711)
    mkdirSync(join(this.stateDir, 'state'), { mode: 0o711 })
    this.#stateBytes = stateBytes
    this.#logFile = join(this.stateDir, 'daemon.log')
    this.#args = [
      ...['--state-dir', join(this.stateDir, 'state')],
      ...['--runtime-dir', this.runtimeDir],
      ...['--template-dir', this.templateDir],
      ...['--socket', this.socket],
      ...['--network-prefix', this.prefix],
      ...['--subnet', this.subnet],
      ...['--pool-size', String(poolSize)],
      ...args,
    ]
  }

  static async start(options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = new Daemon(options)
    try {
      await daemon.#mountState()
      await daemon.launch()
    } catch (error) {
      await daemon[Symbol.asyncDispose]().catch(() => {})
      throw error
    }
    return daemon
  }

  async #mountState(): Promise<void> {
    if (this.#stateBytes === undefined) return
    const at = join(this.stateDir, 'state')
    await run('mount', ['-t', 'tmpfs', '-o', `size=${this.#stateBytes},mode=711`, 'state', at])
  }

  /** Everything the daemons of these directories wrote. */
  get log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  get pid(): number {
    return this.#child!.pid!
  }

  /** Resolves when it answers. */
  async launch(): Promise<void> {
    const log = openSync(this.#logFile, 'a', 0o600)
    const from = this.log.length
    const child = spawn(process.execPath, ['src/main/daemon.ts', ...this.#args], {
      cwd: checkout,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#child = child
    await until(
      'the daemon to be ready',
      () => {
        if (this.log.slice(from).includes('"msg":"ready"')) return true
        return hasEnded(child) ? 'ended' : undefined
      },
      { deadlineMs: readyDeadlineMs },
    ).then((how) => {
      if (how === 'ended') throw new Error(`the daemon ended at its start:\n${this.log.slice(-4_000)}`)
    })
  }

  /** Containers run on. */
  async stop(): Promise<void> {
    const child = this.#child
    if (!child || hasEnded(child)) return
    child.kill('SIGTERM')
    if (!hasEnded(child)) await within(once(child, 'exit'), stopDeadlineMs, 'the end of the daemon')
    if (child.exitCode !== 0)
      throw new Error(`the daemon ended with ${child.exitCode}:\n${this.log.slice(-4_000)}`)
  }

  async kill9(): Promise<void> {
    const child = this.#child!
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.launch()
  }

  /** Processes of sandboxes, and whatever else has files of this daemon open. */
  sandboxes(): { pid: number; command: string }[] {
    return processesOf(this.runtimeDir).filter(({ pid }) => pid !== this.#child?.pid)
  }

  /** The process of one container's sandbox, which has a user of its own. */
  sandboxOf(containerId: string): number {
    const { uid } = statSync(join(this.runtimeDir, 's', containerId.slice(0, 24)))
    const found = this.sandboxes().find(({ pid }) => statSync(`/proc/${pid}`).uid === uid)
    if (!found) throw new Error(`no sandbox of container ${containerId} runs`)
    return found.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using undo = new Rollback()
    undo.add(() => {
      for (const path of [this.stateDir, this.runtimeDir, this.templateDir]) {
        rmSync(path, { recursive: true, force: true })
      }
    })
    undo.add(async () => {
      if (this.#stateBytes !== undefined) await run('umount', [join(this.stateDir, 'state')])
    })
    undo.add(() => this.#removeNetworks())
    undo.add(() => Cgroups.open(`hummingbird-${this.prefix}`).close())
    undo.add(() => endKeepers(this.templateDir))
    undo.add(() => this.#endSandboxes())
    undo.add(async () => {
      if (this.#child && !hasEnded(this.#child)) await this.kill9()
    })
    undo.add(() => this.stop())
  }

  async #endSandboxes(): Promise<void> {
    const left = () => this.sandboxes().filter(({ command }) => command.includes('qemu'))
    for (const { pid } of left()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended meanwhile.
      }
    }
    await until('its sandboxes to be gone', () => left().length === 0, { deadlineMs: 10 * secondMs })
  }

  async #removeNetworks(): Promise<void> {
    const { stdout } = await run('ip', ['netns', 'list'])
    for (const name of stdout.match(new RegExp(`^${this.prefix}-\\S+`, 'gm')) ?? []) {
      await run('ip', ['netns', 'delete', name])
    }
    const { stdout: tables } = await run('nft', ['list', 'tables'])
    for (const line of tables.match(new RegExp(`^table \\S+ ${this.prefix}_\\S+$`, 'gm')) ?? []) {
      await run('nft', ['delete', ...line.split(' ')])
    }
  }
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null
