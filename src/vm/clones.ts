/** Clones of templates that nobody has claimed: made whole with their card, disk and greeting, or not at all. */
import { chown } from 'node:fs/promises'
import type { Nic, NicSource, SandboxSize } from '../engine/ports/sandbox.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Rollback } from '../lib/rollback.ts'
import { writeSparse } from '../lib/sparse.ts'
import { secondMs } from '../lib/units.ts'
import type { Directories } from './directories.ts'
import { GuestChannel } from './guest/channel.ts'
import { ops } from './guest/protocol.ts'
import type { Hypervisor, Machine } from './hypervisor.ts'
import type { Cgroups } from './jail/cgroups.ts'
import type { Templates } from './templates.ts'
import type { Uids } from './uids.ts'

export interface CloneKind {
  readonly size: SandboxSize
  /** null: without a card. */
  readonly network: string | null
  readonly scratchBytes: number
}

export interface Clone {
  readonly name: string
  readonly directory: string
  readonly uid: number
  readonly nic: Nic | null
  readonly machine: Machine
  readonly channel: GuestChannel
}

export interface ClonesOptions {
  readonly hypervisor: Hypervisor
  readonly templates: Templates
  readonly directories: Directories
  readonly uids: Uids
  readonly cgroups: Cgroups
  readonly nics: NicSource
  readonly log: Log
}

/** A clone answers in tens of milliseconds; on a host that is swapping, in seconds. */
const greetingDeadlineMs = 20 * secondMs

/** A third of a second of work, on a host that has other things to do. */
const warmDeadlineMs = 30 * secondMs

export class Clones {
  readonly #options: ClonesOptions

  constructor(options: ClonesOptions) {
    this.#options = options
  }

  async make({ size, network, scratchBytes }: CloneKind): Promise<Clone> {
    const { hypervisor, templates, directories, uids, log } = this.#options
    const key = { size, scratchBytes, hasNic: network !== null }
    const template = await templates.get(key, () => this.#borrowNic(network!))
    const began = performance.now()
    await using undo = new Rollback()
    const uid = uids.take()
    undo.add(() => uids.release(uid))
    undo.add(() => this.#options.cgroups.remove(uid))
    const name = directories.newName()
    await directories.createDisks(name)
    undo.add(() => directories.remove(name))
    const [disk, card] = await Promise.allSettled([
      writeSparse(directories.scratchOf(name), template.scratch, uid),
      network === null ? null : this.#options.nics.create(network),
    ])
    if (card.status === 'fulfilled' && card.value) undo.add(() => this.dropNic(card.value))
    if (disk.status === 'rejected') throw disk.reason
    if (card.status === 'rejected') throw card.reason
    const nic = card.value
    const directory = await directories.create(name, uid, nic)
    const launched = performance.now()
    const spec = { directory, uid, size, nic, memory: template.memory, scratchBytes }
    const machine = await hypervisor.clone(spec, template.state)
    undo.add(() => machine.kill())
    // It is open; nobody has to open it again but who gets it.
    await chown(directories.scratchOf(name), 0, 0)
    const channel = await GuestChannel.open(machine.control, { fresh: true, deadlineMs: greetingDeadlineMs })
    undo.commit()
    const now = performance.now()
    log.debug(
      { size: size.name, prepareMs: round(launched - began), launchToAnswerMs: round(now - launched) },
      'clone made',
    )
    return { name, directory, uid, nic, machine, channel }
  }

  /**
   * Runs a first container in it, so that the next finds its code translated: under emulation that is four fifths of a start,
   * and a clone inherits the memory of its template but not what QEMU made of it.
   */
  async warm({ channel }: Clone): Promise<void> {
    if (this.#options.hypervisor.accelerator === 'tcg')
      await channel.request(ops.warm, undefined, { deadlineMs: warmDeadlineMs })
  }

  /** Ends it, and takes away all that it had. */
  async discard(clone: Clone): Promise<void> {
    clone.channel.close()
    await clone.machine.kill()
    await this.release(clone)
  }

  /** When its machine has ended. */
  async release({ directory, uid, nic }: Pick<Clone, 'directory' | 'uid' | 'nic'>): Promise<void> {
    await this.#options.directories.remove(directory)
    await this.dropNic(nic)
    await this.#options.cgroups.remove(uid)
    this.#options.uids.release(uid)
  }

  async dropNic(nic: Nic | null): Promise<void> {
    if (!nic) return
    try {
      await this.#options.nics.delete(nic)
    } catch (error) {
      // The next daemon finds it without a port, and deletes it.
      this.#options.log.error({ nic, error: messageOf(error) }, 'a network card could not be deleted')
    }
  }

  async #borrowNic(network: string): Promise<{ nic: Nic; giveBack: () => Promise<void> }> {
    const nic = await this.#options.nics.create(network)
    return { nic, giveBack: () => this.dropNic(nic) }
  }
}

const round = (ms: number): number => Math.round(ms * 10) / 10
