/**
 * Which accelerator runs guests here. That /dev/kvm is there proves nothing: on some machines QEMU aborts with it, or the guest
 * hangs. So a probe guest is booted once, with a deadline, and what came of it is remembered until the host, its kernel or
 * QEMU changes.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Rollback } from '../lib/rollback.ts'
import { writeSparse } from '../lib/sparse.ts'
import { MiB, secondMs } from '../lib/units.ts'
import type { Directories } from './directories.ts'
import { GuestChannel } from './guest/channel.ts'
import type { Hypervisor } from './hypervisor.ts'
import type { Cgroups } from './jail/cgroups.ts'
import { closeMemory, createMemory } from './jail/sealed-memory.ts'
import { machineMiB } from './memory.ts'
import type { Uids } from './uids.ts'

/** A guest under KVM answers in a third of a second. */
const probeDeadlineMs = 5 * secondMs

const whyCharsMax = 200

const remembered = z.object({ key: z.string(), works: z.boolean(), why: z.string() })

export interface ProbeOptions {
  readonly stateDir: string
  readonly directories: Directories
  readonly cgroups: Cgroups
  readonly uids: Uids
  readonly log: Log
  readonly kvm: () => Promise<Hypervisor>
}

export async function kvmWorks({
  stateDir,
  directories,
  cgroups,
  uids,
  log,
  kvm,
}: ProbeOptions): Promise<boolean> {
  if (!existsSync('/dev/kvm')) {
    log.warn({}, `${costs} Reason: there is no /dev/kvm`)
    return false
  }
  const hypervisor = await kvm()
  const file = join(stateDir, 'accelerator.json')
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const key = `${bootId} ${release()} ${hypervisor.fingerprint}`
  const known = await recall(file)
  const verdict =
    known?.key === key ? known : { key, ...(await probe(hypervisor, directories, cgroups, uids)) }
  if (verdict !== known) await writeFile(file, `${JSON.stringify(verdict)}\n`)
  if (!verdict.works) log.warn({}, `${costs} Reason: /dev/kvm is there, but ${verdict.why}`)
  return verdict.works
}

const costs =
  'no hardware virtualization: programs in containers run in software emulation, 10 to 50 times slower, and what isolates them is QEMU’s jail and not the processor.'

async function recall(file: string) {
  try {
    return remembered.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined
  }
}

async function probe(
  hypervisor: Hypervisor,
  directories: Directories,
  cgroups: Cgroups,
  uids: Uids,
): Promise<{ works: boolean; why: string }> {
  await using done = new Rollback()
  const uid = uids.take()
  done.add(() => uids.release(uid))
  done.add(() => cgroups.remove(uid))
  const name = directories.newBootName()
  done.add(() => directories.remove(name))
  await directories.createDisks(name)
  const directory = await directories.create(name, uid, null)
  const size = { name: 'probe', vcpus: 1, memoryMiB: 64 }
  const memory = createMemory(machineMiB(size) * MiB)
  done.add(() => closeMemory(memory))
  await writeSparse(directories.scratchOf(name), { bytes: MiB, extents: [] }, uid)
  try {
    const machine = await hypervisor.boot({
      directory,
      uid,
      size,
      nic: null,
      memory,
      scratchBytes: MiB,
    })
    done.add(() => machine.kill())
    const channel = await GuestChannel.open(machine.control, {
      fresh: true,
      deadlineMs: probeDeadlineMs,
    })
    channel.close()
    return { works: true, why: 'a probe guest answered' }
  } catch (error) {
    const said = await readFile(join(directory, 'qemu.log'), 'utf8').catch(() => '')
    const why = said.trim().split('\n').at(-1) || messageOf(error)
    return { works: false, why: `a probe guest did not run: ${why.slice(0, whyCharsMax)}` }
  }
}
