/**
 * A claimed sandbox: the machine and the channel to its guest, as the engine knows them. Who breaks the protocol, or cuts the
 * channel while its machine runs, is ended: a guest that cannot be spoken with is of no use to anybody but an attacker.
 *
 *     running ⇄ paused ──┬── shutdown(): the guest switches off ──> ended 'shutdown'
 *                        ├── kill() ──> ended 'killed'
 *                        └── anything else ──> ended 'crashed'
 */
import { truncate } from 'node:fs/promises'
import type {
  AdoptedProcess,
  AttachedVolume,
  ContainerStats,
  ContainerTask,
  GuestContainer,
  GuestLimits,
  GuestProcess,
  GuestProcessSpec,
  Nic,
  ProcessOutput,
  Sandbox,
  SandboxConfiguration,
  SandboxEnd,
  SandboxHandle,
  SandboxInterface,
} from '../engine/ports/sandbox.ts'
import { within } from '../lib/deadline.ts'
import { hasCode, invalid, messageOf, notFound } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { MiB, minuteMs, secondMs } from '../lib/units.ts'
import type { GuestChannel } from './guest/channel.ts'
import { clockAheadNs } from './guest/clock.ts'
import { FieldWriter } from './guest/fields.ts'
import { GuestFiles, isForFiles } from './guest/files.ts'
import { fillDeadlineMs, startDeadlineMs } from './guest/limits.ts'
import { VmProcess } from './guest/process.ts'
import { ops, processStates, tags } from './guest/protocol.ts'
import {
  configureFields,
  containerFields,
  interfaceRequest,
  limitFields,
  startFields,
} from './guest/requests.ts'
import { statsOf, taskOf } from './guest/stats.ts'
import type { Machine } from './hypervisor.ts'
import { type Borrower, lend } from './lend.ts'
import { furtherCards } from './slots.ts'
import { diskBytes } from './volumes.ts'

const shutdownDeadlineMs = 5 * secondMs
/** A guest's memory full of what is not written yet, on a disk that is busy. */
const syncDeadlineMs = 2 * minuteMs
/** The guest writes the new groups of the file system. */
const growDeadlineMs = 2 * minuteMs
/** As many as the guest looks at; see TOP in guest/protocol.md. */
const tasksMax = 32_768

export interface VmSandboxOptions {
  readonly handle: SandboxHandle
  readonly machine: Machine
  readonly channel: GuestChannel
  /** Whom its volumes are lent to. */
  readonly borrower: Borrower
  readonly isPaused: boolean
  /** As measured a moment ago; of no use to one that is configured already. */
  readonly clockAheadNs: bigint
  readonly log: Log
}

export class VmSandbox implements Sandbox {
  readonly handle: SandboxHandle
  readonly ended: Promise<SandboxEnd>
  readonly files: GuestFiles
  readonly #machine: Machine
  readonly #channel: GuestChannel
  readonly #log: Log
  readonly #clockAheadNs: bigint
  readonly #borrower: Borrower
  /** Further cards that are in use, by slot. */
  readonly #cards: Set<number>
  #tidied: Promise<void> = Promise.resolve()
  #isPaused: boolean
  /** Volumes are being filled with what the image has; resolves when that is over. */
  #filling: Promise<void> | undefined
  #isReleased = false
  #asked: 'shutdown' | 'killed' | undefined

  constructor({ handle, machine, channel, borrower, isPaused, clockAheadNs: ahead, log }: VmSandboxOptions) {
    this.#clockAheadNs = ahead
    this.handle = handle
    this.#machine = machine
    this.#channel = channel
    this.#isPaused = isPaused
    this.#borrower = borrower
    this.#cards = new Set(Object.keys(handle.nics ?? {}).map(Number))
    this.#log = log
    this.files = new GuestFiles(channel, (error) =>
      log.warn({ sandbox: handle.id, error: messageOf(error) }, 'a process for files could not be ended'),
    )
    this.ended = machine.ended.then(({ byGuest, at }) => {
      const reason = this.#asked === 'shutdown' && !byGuest ? 'killed' : (this.#asked ?? 'crashed')
      return { reason, at }
    })
    void this.#watch()
    if (!isPaused) void this.files.clear()
  }

  async configure(configuration: SandboxConfiguration): Promise<void> {
    await this.#channel.request(ops.configure, configureFields(configuration, this.#clockAheadNs))
  }

  createContainer(container: GuestContainer): Promise<void> {
    const fields = containerFields(container, this.handle.scratchDisk)
    const isFilling = container.mounts.some(({ copyUp }) => copyUp)
    const created = this.#channel
      .request(ops.createContainer, fields, isFilling ? { deadlineMs: fillDeadlineMs } : {})
      .then(() => {})
    if (!isFilling) return created
    // Until then the guest takes no other request, and should have none in its way that a deadline runs for.
    this.#filling = created
      .catch(() => {})
      .finally(() => {
        this.#filling = undefined
      })
    return created
  }

  async startProcess(spec: GuestProcessSpec, output: ProcessOutput): Promise<GuestProcess> {
    const fields = startFields(spec)
    if (this.#filling) await this.#filling
    const from = { stdin: 0, stdout: 0, stderr: 0 }
    const process = new VmProcess(this.#channel, this.#setup(spec.id, spec.tty, output, from))
    try {
      const answer = this.#channel.request(ops.startProcess, fields, {
        deadlineMs: startDeadlineMs,
        processId: spec.id,
      })
      // The guest takes it up when the process is there: nothing is to be waited for in between.
      process.openOutput()
      process.pid = (await answer).u32(tags.pid)
      return process
    } catch (error) {
      process.abandon()
      throw error
    }
  }

  adoptable(): readonly AdoptedProcess[] {
    const processes = this.#channel.processes.filter((fields) => !isForFiles(fields))
    return processes.map((fields) => ({
      id: fields.u32(tags.processId),
      container: fields.text(tags.containerId),
      main: fields.bool(tags.main),
      tty: fields.bool(tags.tty),
      acked: { stdout: fields.offset(tags.stdoutAcked), stderr: fields.offset(tags.stderrAcked) },
    }))
  }

  adoptProcess(id: number, output: ProcessOutput, from: { stdout: number; stderr: number }): GuestProcess {
    const fields = this.#channel.processes.find((known) => known.u32(tags.processId) === id)
    if (!fields) throw notFound('no_such_process', `the guest has no process ${id}`)
    const process = new VmProcess(
      this.#channel,
      this.#setup(id, fields.bool(tags.tty), output, {
        stdin: fields.offset(tags.stdinAcked),
        // What was acknowledged once is gone from the guest.
        stdout: Math.max(from.stdout, fields.offset(tags.stdoutAcked)),
        stderr: Math.max(from.stderr, fields.offset(tags.stderrAcked)),
      }),
    )
    process.pid = fields.u32(tags.pid)
    process.openOutput()
    if (fields.u32(tags.state) === processStates.exited) process.exit(fields)
    return process
  }

  async updateContainer(container: string, limits: GuestLimits): Promise<void> {
    await this.#channel.request(
      ops.updateContainer,
      limitFields(new FieldWriter().text(tags.containerId, container), limits),
    )
  }

  async freeze(container: string): Promise<void> {
    await this.#freeze(container, true)
  }

  async thaw(container: string): Promise<void> {
    await this.#freeze(container, false)
  }

  async stats(container: string): Promise<ContainerStats> {
    const fields = await this.#channel.request(ops.stats, new FieldWriter().text(tags.containerId, container))
    const stats = statsOf(fields, new Date())
    const all = this.handle.size.memoryMiB * MiB
    const { memory } = stats
    return memory.limitBytes > 0 && memory.limitBytes < all
      ? stats
      : { ...stats, memory: { ...memory, limitBytes: all } }
  }

  async tasks(container: string): Promise<readonly ContainerTask[]> {
    const found: ContainerTask[] = []
    for (let count = Number.POSITIVE_INFINITY; found.length < Math.min(count, tasksMax); ) {
      const ask = new FieldWriter().text(tags.containerId, container).u32(tags.number, found.length)
      const answer = await this.#channel.request(ops.top, ask)
      const bootAtMs = Number(answer.u64(tags.realtimeNs) / 1_000_000n)
      const tasks = answer.nested(tags.task)
      found.push(...tasks.map((task) => taskOf(task, bootAtMs)))
      count = answer.u32(tags.number)
      // Some may have ended between being counted and being looked at.
      if (tasks.length === 0) break
    }
    return found
  }

  onOom(listener: (container: string) => void): void {
    this.#channel.onOom = listener
  }

  async copyVolume(disk: string, targetPath: string): Promise<void> {
    const { path } = this.#volume(disk)
    await this.#tidied
    const bytes = await diskBytes(path)
    await truncate(targetPath, bytes)
    // What a paused guest has not written yet is lost to the copy, as in a power cut.
    if (!this.#isPaused) await this.#channel.request(ops.sync, undefined, { deadlineMs: syncDeadlineMs })
    const target = { ...this.#borrower, readOnly: false }
    await lend(targetPath, target, (name) => this.#machine.copyVolume(disk, { name, bytes }))
  }

  async growVolume(disk: string, bytes: number): Promise<void> {
    const { path, readOnly } = this.#volume(disk)
    if (readOnly) throw invalid('read_only', `the volume ${disk} is read-only in this sandbox`)
    const actual = await diskBytes(path)
    if (actual !== bytes) throw invalid('bad_volume', `${path} has ${actual} bytes, not ${bytes}`)
    await this.#machine.resizeVolume(disk, bytes)
    const fields = new FieldWriter().text(tags.disk, disk).u64(tags.size, bytes)
    await this.#channel.request(ops.growDisk, fields, { deadlineMs: growDeadlineMs })
  }

  async attachNic(nic: Nic): Promise<number> {
    if (!this.handle.nic)
      throw invalid('no_card', 'a sandbox that was made without a network cannot be given one')
    const slot = furtherCards.find((free) => !this.#cards.has(free))
    if (slot === undefined) {
      const most = 1 + furtherCards.length
      throw invalid('too_many_networks', `a container can be in at most ${most} networks at the same time`)
    }
    this.#cards.add(slot)
    try {
      await this.#tidied
      await this.#machine.connectCard(slot, nic.tap)
    } catch (error) {
      this.#cards.delete(slot)
      throw error
    }
    return slot
  }

  async detachNic(slot: number): Promise<void> {
    if (!this.#cards.has(slot)) return
    await this.#tidied
    await this.#machine.disconnectCard(slot)
    this.#cards.delete(slot)
  }

  async setInterface(slot: number, of: SandboxInterface): Promise<void> {
    await this.#channel.request(ops.setInterface, interfaceRequest(slot, of))
  }

  async removeInterface(name: string): Promise<void> {
    await this.#channel.request(ops.removeInterface, new FieldWriter().text(tags.name, name))
  }

  async pause(): Promise<void> {
    await this.#machine.pause()
    this.#isPaused = true
  }

  async resume(): Promise<void> {
    await this.#machine.resume()
    this.#isPaused = false
    void this.files.clear()
    await this.setClock()
  }

  /** Its clock stood still while it was paused, and drifts while it runs. */
  async setClock(): Promise<void> {
    if (this.#isPaused || this.#filling) return
    await this.#channel.request(
      ops.setClock,
      new FieldWriter().u64(tags.clockAheadNs, await clockAheadNs(this.#channel)),
    )
  }

  async shutdown(options: { deadlineMs?: number } = {}): Promise<void> {
    this.#asked ??= 'shutdown'
    const deadlineMs = options.deadlineMs ?? shutdownDeadlineMs
    try {
      const answer = this.#channel.request(ops.shutdown, undefined, { deadlineMs })
      // The guest may be gone before its answer is here.
      answer.catch(() => {})
      await within(this.ended, deadlineMs, 'switching off the sandbox')
    } catch (error) {
      if (!hasCode(error, 'deadline')) throw error
      this.#log.warn(
        { sandbox: this.handle.id, deadlineMs },
        'a sandbox did not switch itself off and is ended',
      )
      await this.#machine.kill()
    }
  }

  async kill(): Promise<void> {
    this.#asked ??= 'killed'
    await this.#machine.kill()
  }

  /** An earlier daemon may have died between doing a thing and storing that it was done. */
  tidy(): void {
    this.#tidied = this.#machine.tidy(new Set(this.#cards)).catch((error) => {
      if (this.#isReleased || hasCode(error, 'sandbox_gone')) return
      this.#log.error(
        { sandbox: this.handle.id, error: messageOf(error) },
        'what an earlier daemon had begun in a sandbox could not be ended',
      )
    })
  }

  /** The daemon ends; the sandbox does not. */
  release(): void {
    this.#isReleased = true
    this.#machine.release()
  }

  async #freeze(container: string, frozen: boolean): Promise<void> {
    const fields = new FieldWriter().text(tags.containerId, container).bool(tags.frozen, frozen)
    await this.#channel.request(ops.freezeContainer, fields)
  }

  #volume(disk: string): AttachedVolume {
    const found = this.handle.volumes?.find((volume) => volume.disk === disk)
    if (!found) throw notFound('no_such_volume', `the sandbox has no volume ${disk}`)
    return found
  }

  #setup(
    id: number,
    tty: boolean,
    output: ProcessOutput,
    from: { stdin: number; stdout: number; stderr: number },
  ) {
    const outputFailed = (error: unknown) =>
      this.#log.error(
        { sandbox: this.handle.id, process: id, error: messageOf(error) },
        'output of a process is lost',
      )
    return { id, tty, output, from, outputFailed }
  }

  async #watch(): Promise<void> {
    const violation = await this.#channel.closed
    if (this.#isReleased) return
    if (violation)
      this.#log.warn(
        { sandbox: this.handle.id, error: violation.message },
        'a guest broke the protocol and is ended',
      )
    await this.#machine.kill()
  }
}
