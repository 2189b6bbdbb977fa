/**
 * One QEMU process. It is in a session of its own, so that it outlives the daemon; that it has ended is seen by its control
 * socket, which a child and an adopted process have alike.
 */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { chmod, readFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { until, within } from '../../lib/deadline.ts'
import { internal, messageOf } from '../../lib/errors.ts'
import { isAlive, killProcess } from '../../lib/processes.ts'
import { secondMs } from '../../lib/units.ts'
import { connectSocket } from '../connect.ts'
import { sandboxGone } from '../guest/failures.ts'
import type { Machine, MachineEnd, MachineRecord } from '../hypervisor.ts'
import { furtherCards } from '../slots.ts'
import { socketPath } from './args.ts'
import { Cards } from './cards.ts'
import { type DiskFile, Disks } from './disks.ts'
import { Jobs } from './jobs.ts'
import { Qmp, type QmpEvent } from './qmp.ts'

/** Its libraries are read from disk the first time, and on a host that is busy. */
const startDeadlineMs = 20 * secondMs
const saveDeadlineMs = 60 * secondMs
const endDeadlineMs = 10 * secondMs
const logCharsShown = 500

export class QemuMachine implements Machine {
  #record: MachineRecord
  readonly #ended = Promise.withResolvers<MachineEnd>()
  #qmp!: Qmp
  #control!: Socket
  #byGuest = false
  #isReleased = false
  #hasLostWrites = false
  #disks!: Disks
  #cards!: Cards
  #jobs!: Jobs

  private constructor(record: MachineRecord) {
    this.#record = record
  }

  /** To a process that was just started, or that an earlier daemon started. */
  static async connect(record: MachineRecord): Promise<QemuMachine> {
    const machine = new QemuMachine(record)
    try {
      const socket = await machine.#connect('qmp.sock')
      const [qmp, control] = await Promise.all([
        Qmp.open(socket, (event) => machine.#note(event)),
        machine.#connect('control.sock'),
      ])
      machine.#qmp = qmp
      machine.#jobs = new Jobs(qmp)
      machine.#disks = new Disks(qmp, machine.#jobs)
      machine.#cards = new Cards(qmp)
      machine.#control = control
    } catch (error) {
      const said = await machine.#lastWords()
      throw isAlive(record) || !said
        ? error
        : internal('qemu_failed', `QEMU did not start: ${said}`, { cause: error })
    }
    void machine.#watch()
    return machine
  }

  get record(): MachineRecord {
    return this.#record
  }

  get control(): Socket {
    return this.#control
  }

  get hasLostWrites(): boolean {
    return this.#hasLostWrites
  }

  get ended(): Promise<MachineEnd> {
    return this.#ended.promise
  }

  async swapDisk(slot: 'image' | 'kept', name: string): Promise<void> {
    await this.#disks.swap(slot, name)
  }

  attachVolume(slot: string, file: DiskFile, measure: string): Promise<void> {
    return this.#disks.attach(slot, file, measure)
  }

  resizeVolume(slot: string, bytes: number): Promise<void> {
    return this.#disks.resize(slot, bytes)
  }

  copyVolume(slot: string, file: DiskFile): Promise<void> {
    return this.#disks.copy(slot, file)
  }

  connectCard(slot: number, tap: string): Promise<void> {
    return this.#cards.connect(slot, tap)
  }

  disconnectCard(slot: number): Promise<void> {
    return this.#cards.disconnect(slot)
  }

  async tidy(cards: ReadonlySet<number>): Promise<void> {
    const stray = furtherCards.filter((slot) => !cards.has(slot))
    await Promise.all([this.#disks.endCopies(), ...stray.map((slot) => this.#cards.disconnect(slot))])
  }

  /** A clone goes on from the state that it reads from this descriptor of its own. */
  async load(descriptor: number): Promise<void> {
    const ignoring = this.#ignoreMemory()
    ignoring.catch(() => {})
    await this.#qmp.execute('migrate-incoming', { uri: `fd:${descriptor}` })
    await ignoring
  }

  async save(statePath: string): Promise<void> {
    const { directory } = this.#record
    const server = createServer()
    try {
      const path = join(directory, 'state.sock')
      server.listen(path)
      await once(server, 'listening')
      await chmod(path, 0o666)
      const saved = once(server, 'connection').then(([socket]) =>
        pipeline(socket as Socket, createWriteStream(statePath, { mode: 0o600 })),
      )
      saved.catch(() => {})
      await this.#qmp.execute('stop')
      await this.#ignoreMemory()
      await this.#qmp.execute('migrate', { uri: `unix:${socketPath('state.sock')}` })
      await until('the state to be saved', () => this.#isSaved(), { deadlineMs: saveDeadlineMs, everyMs: 2 })
      await within(saved, saveDeadlineMs, 'writing the saved state')
    } finally {
      server.close()
    }
    await this.kill()
  }

  async isPaused(): Promise<boolean> {
    return ((await this.#qmp.execute('query-status')) as { running?: boolean }).running === false
  }

  async pause(): Promise<void> {
    await this.#qmp.execute('stop')
  }

  async resume(): Promise<void> {
    await this.#qmp.execute('cont')
  }

  moved(directory: string): void {
    this.#record = { ...this.#record, directory }
  }

  async kill(): Promise<void> {
    killProcess(this.#record)
    await this.ended
  }

  release(): void {
    this.#isReleased = true
    this.#qmp.close()
    this.#control.destroy()
  }

  /** The memory is in its file: only the devices' state is saved and loaded. */
  async #ignoreMemory(): Promise<void> {
    const capabilities = [{ capability: 'x-ignore-shared', state: true }]
    await this.#qmp.execute('migrate-set-capabilities', { capabilities })
  }

  async #isSaved(): Promise<boolean> {
    const { status, 'error-desc': error } = (await this.#qmp.execute('query-migrate')) as {
      status?: string
      'error-desc'?: string
    }
    if (status === 'failed') throw internal('qemu_failed', `QEMU could not save its state: ${error}`)
    return status === 'completed'
  }

  #note(event: QmpEvent): void {
    const { name, data } = event
    if (name === 'SHUTDOWN' && data.guest === true) this.#byGuest = true
    if (name === 'BLOCK_IO_ERROR' && data.operation === 'write') this.#hasLostWrites = true
    this.#jobs?.note(event)
  }

  async #watch(): Promise<void> {
    await this.#qmp.closed
    if (this.#isReleased) return
    const at = new Date()
    // A QEMU whose control socket is gone cannot be managed any more.
    killProcess(this.#record)
    try {
      await until(`process ${this.#record.pid} to end`, () => !isAlive(this.#record), {
        deadlineMs: endDeadlineMs,
        everyMs: 1,
      })
    } finally {
      this.#ended.resolve({ byGuest: this.#byGuest, at })
    }
  }

  #connect(name: string): Promise<Socket> {
    return connectSocket(join(this.#record.directory, name), {
      deadlineMs: startDeadlineMs,
      check: () => this.#checkAlive(),
    })
  }

  #checkAlive(): void {
    if (!isAlive(this.#record)) throw sandboxGone()
  }

  async #lastWords(): Promise<string> {
    try {
      return (await readFile(join(this.#record.directory, 'qemu.log'), 'utf8')).trim().slice(-logCharsShown)
    } catch (error) {
      return messageOf(error)
    }
  }
}
