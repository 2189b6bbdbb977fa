/**
 * A claimed sandbox: the machine and the channel to its guest, as the engine knows them. Who breaks the protocol, or cuts the
 * channel while its machine runs, is ended: a guest that cannot be spoken with is of no use to anybody but an attacker.
 *
 *     running ⇄ paused ──┬── shutdown(): the guest switches off ──> ended 'shutdown'
 *                        ├── kill() ──> ended 'killed'
 *                        └── anything else ──> ended 'crashed'
 */
import type {
  AdoptedProcess,
  ContainerStats,
  ContainerTask,
  GuestContainer,
  GuestLimits,
  GuestProcess,
  GuestProcessSpec,
  ProcessOutput,
  Sandbox,
  SandboxConfiguration,
  SandboxEnd,
  SandboxHandle,
  SandboxInterface,
} from '../engine/ports/sandbox.ts'
import { within } from '../lib/deadline.ts'
import { hasCode, messageOf, notFound, unavailable } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { MiB, secondMs } from '../lib/units.ts'
import type { GuestChannel } from './guest/channel.ts'
import { clockAheadNs } from './guest/clock.ts'
import { FieldWriter } from './guest/fields.ts'
import { startDeadlineMs } from './guest/limits.ts'
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

const shutdownDeadlineMs = 5 * secondMs
/** As many as the guest looks at; see TOP in guest/protocol.md. */
const tasksMax = 32_768

const notYet = (what: string) => unavailable('not_built_yet', `${what} is not there yet in this build`)

export interface VmSandboxOptions {
  readonly handle: SandboxHandle
  readonly machine: Machine
  readonly channel: GuestChannel
  readonly isPaused: boolean
  /** As measured a moment ago; of no use to one that is configured already. */
  readonly clockAheadNs: bigint
  readonly log: Log
}

export class VmSandbox implements Sandbox {
  readonly handle: SandboxHandle
  readonly ended: Promise<SandboxEnd>
  readonly #machine: Machine
  readonly #channel: GuestChannel
  readonly #log: Log
  readonly #clockAheadNs: bigint
  #isPaused: boolean
  #isReleased = false
  #asked: 'shutdown' | 'killed' | undefined

  constructor({ handle, machine, channel, isPaused, clockAheadNs: ahead, log }: VmSandboxOptions) {
    this.#clockAheadNs = ahead
    this.handle = handle
    this.#machine = machine
    this.#channel = channel
    this.#isPaused = isPaused
    this.#log = log
    this.ended = machine.ended.then(({ byGuest, at }) => {
      const reason = this.#asked === 'shutdown' && !byGuest ? 'killed' : (this.#asked ?? 'crashed')
      return { reason, at }
    })
    void this.#watch()
  }

  async configure(configuration: SandboxConfiguration): Promise<void> {
    await this.#channel.request(ops.configure, configureFields(configuration, this.#clockAheadNs))
  }

  async createContainer(container: GuestContainer): Promise<void> {
    await this.#channel.request(ops.createContainer, containerFields(container, this.handle.scratchDisk))
  }

  async startProcess(spec: GuestProcessSpec, output: ProcessOutput): Promise<GuestProcess> {
    const fields = startFields(spec)
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
    return this.#channel.processes.map((fields) => ({
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

  async copyVolume(): Promise<void> {
    throw notYet('copying a volume')
  }

  async growVolume(): Promise<void> {
    throw notYet('growing a volume')
  }

  async attachNic(): Promise<number> {
    throw notYet('a further card')
  }

  async detachNic(): Promise<void> {
    throw notYet('a further card')
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
    await this.setClock()
  }

  /** Its clock stood still while it was paused, and drifts while it runs. */
  async setClock(): Promise<void> {
    if (this.#isPaused) return
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

  /** The daemon ends; the sandbox does not. */
  release(): void {
    this.#isReleased = true
    this.#machine.release()
  }

  async #freeze(container: string, frozen: boolean): Promise<void> {
    const fields = new FieldWriter().text(tags.containerId, container).bool(tags.frozen, frozen)
    await this.#channel.request(ops.freezeContainer, fields)
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
