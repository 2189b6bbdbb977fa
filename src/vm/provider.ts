/**
 * Sandboxes out of clones: a claim takes a clone from the pool, or has one made, and puts the container's own disks behind it.
 *
 *     pool ──┐
 *            ├─> clone ──claim──> sandbox (directory named by the container's id) ──ended──> nothing is left
 *     made ──┘
 */
import { existsSync } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  AttachedVolume,
  ClaimRequest,
  NicSource,
  Sandbox,
  SandboxHandle,
  SandboxProvider,
  SandboxSize,
} from '../engine/ports/sandbox.ts'
import { unlessAborted, until } from '../lib/deadline.ts'
import { hasCode, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { isAlive, killProcess, processesWith } from '../lib/processes.ts'
import { Rollback } from '../lib/rollback.ts'
import { minuteMs, secondMs } from '../lib/units.ts'
import { kvmWorks } from './accelerator.ts'
import { type Clone, type CloneKind, Clones } from './clones.ts'
import { claimedName, Directories } from './directories.ts'
import { GuestChannel } from './guest/channel.ts'
import { clockAheadNs } from './guest/clock.ts'
import { sandboxGone } from './guest/failures.ts'
import { requireMemory, requireReachable } from './host.ts'
import type { Hypervisor } from './hypervisor.ts'
import { Cgroups } from './jail/cgroups.ts'
import { openDevices } from './jail/jail.ts'
import { View } from './jail/view.ts'
import { lend, lendReadable } from './lend.ts'
import { Pool } from './pool.ts'
import { guestName } from './qemu/args.ts'
import { type Confinement, Qemu } from './qemu/qemu.ts'
import { VmSandbox, type VmSandboxOptions } from './sandbox.ts'
import { Templates } from './templates.ts'
import { tscKhz } from './tsc.ts'
import { Uids } from './uids.ts'
import { assignSlots, attachVolume } from './volumes.ts'

export interface SandboxProviderOptions {
  readonly kernel: string
  readonly initramfs: string
  readonly warmImage: string
  readonly runtimeDir: string
  readonly templateDir: string
  readonly stateDir: string
  readonly accelerator: 'auto' | 'kvm' | 'tcg'
  readonly nics: NicSource
  /** Of the cgroups of its sandboxes: a path below the root of each hierarchy. */
  readonly cgroupParent: string
  /** Of the writable disk of a container that has none yet. */
  readonly rootDiskBytes: number
  readonly log: Log
}

/** Of Debian's qemu-system-x86. */
const qemuBinary = '/usr/bin/qemu-system-x86_64'
/** A guest that answers late is late; one that never answers cannot be told from it sooner. */
const adoptDeadlineMs = minuteMs
const sweepDeadlineMs = 10 * secondMs
/** What a guest's clock drifts in this time is microseconds to milliseconds. */
const clockEveryMs = minuteMs

export async function createSandboxProvider(options: SandboxProviderOptions): Promise<SandboxProvider> {
  const { runtimeDir, stateDir, log } = options
  const directories = new Directories(runtimeDir, stateDir)
  await directories.prepare()
  for (const path of [runtimeDir, stateDir, options.templateDir, options.kernel]) await requireReachable(path)
  await openDevices(log)
  const uids = new Uids(runtimeDir)
  const cgroups = Cgroups.open(options.cgroupParent)
  const view = await View.open({
    binary: qemuBinary,
    files: [options.kernel, options.initramfs, options.warmImage],
    sandboxes: directories.sandboxes,
    disks: directories.disks,
    directory: join(runtimeDir, 'view'),
    kvm: options.accelerator !== 'tcg' && existsSync('/dev/kvm'),
  })
  const hypervisor = await chooseHypervisor(options, uids, directories, { view, cgroups })
  const templates = new Templates({
    hypervisor,
    directory: options.templateDir,
    directories,
    cgroups,
    uids,
    log,
  })
  await templates.sweep()
  const clones = new Clones({
    hypervisor,
    templates,
    directories,
    uids,
    cgroups,
    nics: options.nics,
    log,
  })
  return new VmProvider({ options, hypervisor, directories, uids, clones, cgroups, view })
}

async function chooseHypervisor(
  options: SandboxProviderOptions,
  uids: Uids,
  directories: Directories,
  confinement: Confinement,
): Promise<Hypervisor> {
  const { kernel, initramfs, warmImage, accelerator, stateDir, log } = options
  const firmware = { kernel, initramfs, warmImage }
  const kvm = () =>
    Qemu.create({ ...firmware, binary: qemuBinary, accelerator: 'kvm', tscKhz: null }, confinement)
  if (accelerator === 'kvm') return kvm()
  const usable =
    accelerator === 'auto' &&
    (await kvmWorks({ stateDir, directories, cgroups: confinement.cgroups, uids, log, kvm }))
  if (usable) return kvm()
  return Qemu.create(
    { ...firmware, binary: qemuBinary, accelerator: 'tcg', tscKhz: await tscKhz() },
    confinement,
  )
}

interface Parts {
  readonly options: SandboxProviderOptions
  readonly hypervisor: Hypervisor
  readonly directories: Directories
  readonly uids: Uids
  readonly clones: Clones
  readonly cgroups: Cgroups
  readonly view: View
}

class VmProvider implements SandboxProvider {
  readonly accelerator: 'kvm' | 'tcg'
  readonly version: string
  readonly #parts: Parts
  readonly #pool: Pool
  readonly #log: Log
  /** By the name of their directory. */
  readonly #claimed = new Map<string, VmSandbox>()
  readonly #clock: NodeJS.Timeout

  constructor(parts: Parts) {
    this.#parts = parts
    this.#log = parts.options.log
    this.accelerator = parts.hypervisor.accelerator
    this.version = parts.hypervisor.version
    this.#pool = new Pool(parts.clones, this.#log)
    this.#clock = setInterval(() => this.#setClocks(), clockEveryMs).unref()
  }

  async claim(request: ClaimRequest, { signal }: { signal?: AbortSignal } = {}): Promise<Sandbox> {
    const volumes = assignSlots(request.volumes)
    await requireMemory()
    const { scratch, size, network } = request
    const scratchBytes = scratch.fresh ? this.#parts.options.rootDiskBytes : (await stat(scratch.path)).size
    const clone = await this.#takeClone({ size, network, scratchBytes }, signal)
    await using undo = new Rollback()
    undo.add(() => this.#parts.clones.discard(clone))
    const measured = clockAheadNs(clone.channel)
    measured.catch(() => {})
    const handle = await this.#furnish(clone, request, volumes, undo)
    const ahead = await measured
    signal?.throwIfAborted()
    undo.commit()
    return this.#adopt(clone, handle, { isPaused: false, clockAheadNs: ahead })
  }

  async adopt(handle: SandboxHandle): Promise<Sandbox> {
    const { hypervisor, directories, uids, cgroups } = this.#parts
    await using undo = new Rollback()
    const machine = await hypervisor.adopt(handle)
    undo.add(() => machine.kill())
    const uid = await directories.uidOf(handle.directory)
    uids.reserve(uid)
    cgroups.adopt(uid)
    const isPaused = await machine.isPaused()
    // A paused guest cannot greet: it runs for as long as that takes.
    if (isPaused) await machine.resume()
    const channel = await GuestChannel.open(machine.control, {
      fresh: false,
      deadlineMs: adoptDeadlineMs,
    })
    if (isPaused) await machine.pause()
    if (!isAlive(handle)) throw sandboxGone()
    undo.commit()
    const sandbox = this.#adopt(
      { machine, channel, uid, nic: handle.nic, directory: handle.directory },
      handle,
      {
        isPaused,
        clockAheadNs: 0n,
      },
    )
    sandbox.tidy()
    return sandbox
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    const { directories, clones, cgroups } = this.#parts
    const kept = new Set([
      ...[...keep].map(claimedName),
      ...this.#claimed.keys(),
      ...this.#pool.clones().map(({ name }) => name),
    ])
    // A process goes by its number: its command line has the name that its directory had when it waited in the pool.
    const ours = [...this.#claimed.values()].map(({ handle }) => handle.pid)
    const pids = new Set([...ours, ...this.#pool.clones().map(({ machine }) => machine.record.pid)])
    const strays = processesWith((argument) => argument.startsWith(guestName(directories.sandboxes))).filter(
      ({ pid }) => !pids.has(pid),
    )
    for (const stray of strays) killProcess(stray)
    await until('abandoned sandboxes to end', () => !strays.some(isAlive), {
      deadlineMs: sweepDeadlineMs,
    })
    for (const name of await directories.list()) {
      if (kept.has(name)) continue
      this.#log.info({ sandbox: name }, 'removing what is left of a sandbox that belongs to no container')
      await clones.dropNic(await directories.nicOf(name))
      const uid = await directories.uidOf(join(directories.sandboxes, name)).catch(() => undefined)
      await directories.remove(name)
      if (uid)
        await cgroups
          .remove(uid)
          .catch((error) => this.#log.warn({ sandbox: name, error: messageOf(error) }, 'a cgroup is left'))
    }
    await cgroups.sweep()
  }

  fill(pools: readonly { size: SandboxSize; network: string; count: number }[]): void {
    const scratchBytes = this.#parts.options.rootDiskBytes
    for (const { size, network, count } of pools) this.#pool.keep({ size, network, scratchBytes }, count)
  }

  async close(): Promise<void> {
    clearInterval(this.#clock)
    await this.#pool.close()
    for (const sandbox of this.#claimed.values()) sandbox.release()
    this.#parts.view.close()
    await this.#parts.cgroups.close()
  }

  async #takeClone(kind: CloneKind, signal: AbortSignal | undefined): Promise<Clone> {
    const ready = this.#pool.take(kind)
    if (ready) return ready
    const making = this.#parts.clones.make(kind)
    try {
      return await unlessAborted(making, signal)
    } catch (error) {
      // It may yet come, and nobody will want it.
      making.then((clone) => this.#parts.clones.discard(clone)).catch(() => {})
      throw error
    }
  }

  /** Puts the container's disks in their slots, and the clone's directory under the container's name. */
  async #furnish(
    clone: Clone,
    { id, size, image, scratch }: ClaimRequest,
    volumes: readonly AttachedVolume[],
    undo: Rollback,
  ): Promise<SandboxHandle> {
    const { machine } = clone
    const { directories } = this.#parts
    const borrower = { directory: directories.disksOf(clone.directory), uid: clone.uid }
    const steps = [
      lendReadable(image, borrower, (name) => machine.swapDisk('image', name)),
      ...volumes.map((volume) => attachVolume(machine, volume, borrower)),
    ]
    if (scratch.fresh) {
      undo.add(() => rm(scratch.path, { force: true }))
      steps.push(rename(directories.scratchOf(clone.directory), scratch.path))
    } else {
      steps.push(
        lend(scratch.path, { ...borrower, readOnly: false }, (name) => machine.swapDisk('kept', name)),
        rm(directories.scratchOf(clone.directory)),
      )
    }
    const failed = (await Promise.allSettled(steps)).find((step) => step.status === 'rejected')
    if (failed) throw failed.reason
    const directory = await directories.claim(clone.directory, id)
    undo.add(() => directories.remove(directory))
    machine.moved(directory)
    const { pid, pidStartTicks } = machine.record
    return {
      id,
      pid,
      pidStartTicks,
      directory,
      size,
      nic: clone.nic,
      scratchDisk: scratch.fresh ? 'scratch' : 'kept',
      volumes,
    }
  }

  #adopt(
    clone: Pick<Clone, 'machine' | 'channel' | 'uid' | 'nic' | 'directory'>,
    handle: SandboxHandle,
    state: Pick<VmSandboxOptions, 'isPaused' | 'clockAheadNs'>,
  ): VmSandbox {
    const { machine, channel, uid, nic } = clone
    const sandbox = new VmSandbox({
      handle,
      machine,
      channel,
      borrower: { uid, directory: this.#parts.directories.disksOf(handle.directory) },
      ...state,
      log: this.#log,
    })
    const name = claimedName(handle.id)
    this.#claimed.set(name, sandbox)
    void sandbox.ended.then(async () => {
      if (this.#claimed.get(name) === sandbox) this.#claimed.delete(name)
      await this.#parts.clones.release({ directory: handle.directory, uid, nic }).catch((error) => {
        this.#log.error(
          { sandbox: name, error: messageOf(error) },
          'what an ended sandbox had could not be removed',
        )
      })
    })
    return sandbox
  }

  #setClocks(): void {
    for (const [name, sandbox] of this.#claimed) {
      sandbox.setClock().catch((error) => {
        if (!hasCode(error, 'sandbox_gone'))
          this.#log.warn(
            { sandbox: name, error: messageOf(error) },
            'the clock of a sandbox could not be set',
          )
      })
    }
  }
}
