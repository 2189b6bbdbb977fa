/** The hypervisor QEMU: starts its processes, and tells what a saved state depends on. */
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { open, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { internal } from '../../lib/errors.ts'
import { isAlive, killProcess, startTicksOf } from '../../lib/processes.ts'
import { launch, run } from '../../lib/spawn.ts'
import { secondMs } from '../../lib/units.ts'
import { sandboxGone } from '../guest/failures.ts'
import type { Hypervisor, Machine, MachineRecord, MachineSpec } from '../hypervisor.ts'
import type { Cgroups } from '../jail/cgroups.ts'
import { jailed, kvmGroup } from '../jail/jail.ts'
import { memoryDescriptor } from '../jail/sealed-memory.ts'
import type { View } from '../jail/view.ts'
import { type Firmware, qemuArguments } from './args.ts'
import { QemuMachine } from './machine.ts'

/** The descriptor of the saved state in a clone: behind the memory's. */
const stateDescriptor = memoryDescriptor + 1

/** What holds a QEMU. */
export interface Confinement {
  readonly view: View
  readonly cgroups: Cgroups
}

export class Qemu implements Hypervisor {
  readonly accelerator: 'kvm' | 'tcg'
  readonly version: string
  readonly fingerprint: string
  readonly #firmware: Firmware
  readonly #groups: readonly number[]
  readonly #confinement: Confinement

  private constructor(
    firmware: Firmware,
    version: string,
    fingerprint: string,
    groups: readonly number[],
    confinement: Confinement,
  ) {
    this.accelerator = firmware.accelerator
    this.version = version
    this.fingerprint = fingerprint
    this.#firmware = firmware
    this.#groups = groups
    this.#confinement = confinement
  }

  static async create(firmware: Firmware, confinement: Confinement): Promise<Qemu> {
    const { stdout } = await run(firmware.binary, ['--version'], { deadlineMs: 20 * secondMs })
    const version = /^QEMU emulator version (\S+)/.exec(stdout)?.[1]
    if (!version) throw internal('qemu_failed', `${firmware.binary} --version said ${stdout.slice(0, 100)}`)
    const group = firmware.accelerator === 'kvm' ? await kvmGroup() : undefined
    return new Qemu(
      firmware,
      `QEMU ${version}`,
      await fingerprintOf(firmware, stdout),
      group === undefined ? [] : [group],
      confinement,
    )
  }

  boot(spec: MachineSpec): Promise<Machine> {
    return this.#start(spec, null)
  }

  clone(spec: MachineSpec, statePath: string): Promise<Machine> {
    return this.#start(spec, statePath)
  }

  async adopt(record: MachineRecord): Promise<Machine> {
    if (!isAlive(record)) throw sandboxGone()
    return QemuMachine.connect(record)
  }

  async #start(spec: MachineSpec, statePath: string | null): Promise<Machine> {
    const log = await open(join(spec.directory, 'qemu.log'), 'a', 0o600)
    const state = statePath === null ? null : await open(statePath, 'r')
    try {
      const command = [this.#firmware.binary, ...qemuArguments(spec, this.#firmware, state !== null)]
      const { view, cgroups } = this.#confinement
      const { uid, size, memory } = spec
      const [program, args] = jailed(
        view.namespace,
        {
          name: basename(spec.directory),
          uid,
          netns: spec.nic?.netns ?? null,
          groups: this.#groups,
        },
        command,
      )
      cgroups.create(uid, size)
      const child = launch(program, args, {
        stdio: ['ignore', log.fd, log.fd, memory, ...(state ? [state.fd] : [])],
        env: {},
        cwd: '/',
      })
      // It is still on its way to QEMU.
      if (child.pid !== undefined) cgroups.add(uid, child.pid)
      const machine = await connected(child, spec.directory)
      if (state) await restored(machine)
      return machine
    } finally {
      await Promise.all([log.close(), state?.close()])
    }
  }
}

async function restored(machine: QemuMachine): Promise<void> {
  try {
    await machine.load(stateDescriptor)
  } catch (error) {
    await machine.kill()
    throw error
  }
}

async function connected(child: ChildProcess, directory: string): Promise<QemuMachine> {
  if (child.pid === undefined) {
    const [error] = await once(child, 'error')
    throw internal('qemu_failed', `QEMU could not be started: ${error.message}`, { cause: error })
  }
  const record = { directory, pid: child.pid, pidStartTicks: startTicksOf(child.pid) ?? 0 }
  try {
    return await QemuMachine.connect(record)
  } catch (error) {
    killProcess(record)
    throw error
  }
}

/** The contents of the kernel, the init and the disk that a template has run; QEMU's build; the command line. */
async function fingerprintOf(firmware: Firmware, version: string): Promise<string> {
  const sum = createHash('sha256').update(version)
  // Another build of the same version may have other devices.
  const { size, mtimeMs } = await stat(firmware.binary)
  sum.update(`${size} ${mtimeMs}`)
  for (const path of [firmware.kernel, firmware.initramfs, firmware.warmImage])
    sum.update(await readFile(path))
  const any: MachineSpec = {
    directory: '',
    uid: 0,
    size: { name: '', vcpus: 1, memoryMiB: 1 },
    nic: { netns: '', tap: '' },
    memory: memoryDescriptor,
    scratchBytes: 1,
  }
  sum.update(
    JSON.stringify(qemuArguments(any, { ...firmware, kernel: '', initramfs: '', warmImage: '' }, true)),
  )
  return sum.digest('hex')
}
