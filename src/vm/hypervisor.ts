/**
 * What sandboxes need of a hypervisor: machines that are booted once, saved, and cloned from what was saved; that outlive the
 * daemon and are found again.
 *
 *     booted ──save──> template ──clone──> running ⇄ paused
 *                                             └──> ended: the guest switched off, or it was killed, or crashed
 */
import type { Socket } from 'node:net'
import type { SandboxSize } from '../engine/ports/sandbox.ts'
import type { ProcessRecord } from '../lib/processes.ts'

/** A network card that exists already, in a network namespace. */
export interface MachineNic {
  readonly netns: string
  readonly tap: string
}

export interface MachineSpec {
  /** Made for this machine alone: sockets and logs go here, and it belongs to `uid`. Its name is that of its disks' directory too. */
  readonly directory: string
  readonly uid: number
  readonly size: SandboxSize
  readonly nic: MachineNic | null
  /** Descriptor of the memory: written to by a machine that is booted, copied when written to by a clone. */
  readonly memory: number
  /** What every machine of a template agrees on. */
  readonly scratchBytes: number
}

export interface MachineRecord extends ProcessRecord {
  readonly directory: string
}

export interface MachineEnd {
  /** The guest ended itself, as opposed to its process being ended. */
  readonly byGuest: boolean
  readonly at: Date
}

export interface Machine {
  readonly record: MachineRecord
  readonly ended: Promise<MachineEnd>
  /** The host could not write what the guest wrote to a disk: it may have made its file system read-only. */
  readonly hasLostWrites: boolean
  /**
   * The guest's control channel. It is connected before the guest runs, as it was when its template was saved: a guest that
   * sees its host go and come may miss what is said in between.
   */
  readonly control: Socket
  /** Files are named as they are in its disks' directory. Puts one behind a slot that the guest has not read from. */
  swapDisk(slot: 'image' | 'kept', file: string): Promise<void>
  /**
   * Puts a file of `bytes` behind an empty slot while the guest runs, which is told how large its disk is now. `measure`: an
   * empty file of that length that may be written to.
   */
  attachVolume(
    slot: string,
    file: { readonly name: string; readonly bytes: number },
    measure: string,
  ): Promise<void>
  /** The file behind the slot is `bytes` long now. */
  resizeVolume(slot: string, bytes: number): Promise<void>
  /** What the disk holds now goes into the file, which is as large; the guest runs on. */
  copyVolume(slot: string, file: { readonly name: string; readonly bytes: number }): Promise<void>
  /** Ties a further card to a tap in the machine's own network namespace. */
  connectCard(slot: number, tap: string): Promise<void>
  /** A card without a tap is no error. */
  disconnectCard(slot: number): Promise<void>
  /** Ends what an earlier daemon had begun and nobody waits for: copies, and cards but these. */
  tidy(cards: ReadonlySet<number>): Promise<void>
  /** Stops the machine and writes its devices' state; the memory is in its file. It is then ended. */
  save(statePath: string): Promise<void>
  isPaused(): Promise<boolean>
  pause(): Promise<void>
  resume(): Promise<void>
  /** The directory was renamed. */
  moved(directory: string): void
  /** Ends the process now; resolves when it is gone. */
  kill(): Promise<void>
  /** Lets go of it: it runs on, `ended` is never told, and another may adopt it. */
  release(): void
}

export interface Hypervisor {
  readonly accelerator: 'kvm' | 'tcg'
  /** For people: name and version. */
  readonly version: string
  /** All that a saved state depends on, apart from size and scratch disk. */
  readonly fingerprint: string
  boot(spec: MachineSpec): Promise<Machine>
  clone(spec: MachineSpec, statePath: string): Promise<Machine>
  /** Rejects with code `sandbox_gone` when the process is gone. */
  adopt(record: MachineRecord): Promise<Machine>
}
