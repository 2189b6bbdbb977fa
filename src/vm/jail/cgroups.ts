/**
 * A cgroup for each sandbox, by which the host bounds what its QEMU can take, whatever the guest does: processors, memory (the
 * guest's and what QEMU needs beside it) and threads. Version 1 (one hierarchy a controller) and version 2 (one for all).
 *
 *     v1   /sys/fs/cgroup/{cpu,memory,pids}/PARENT/UID        v2   /sys/fs/cgroup/PARENT/UID
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { SandboxSize } from '../../engine/ports/sandbox.ts'
import { until } from '../../lib/deadline.ts'
import { hasCode, internal, messageOf } from '../../lib/errors.ts'
import { MiB, secondMs } from '../../lib/units.ts'
import { machineMiB } from '../memory.ts'

const root = '/sys/fs/cgroup'
const periodUs = 100_000
/** QEMU's own loop and its block threads, beside the guest's processors. */
const overheadCpus = 0.5
/** Translated code, QEMU itself and its buffers; measured 45 to 90 MiB. What the host caches of its disks is given back first. */
const overheadBytes = 256 * MiB
/** Each processor has a thread, and QEMU's block layer up to 64. */
const threadsMax = 128
/** Of 1,024 in version 1, of 100 in version 2, for each processor. */
const sharesPerCpu = 1_024
const weightPerCpu = 100
/**
 * The kernel weighs the sandboxes as one against each single process of the host. So they weigh together as many as they are,
 * and never so many that the daemon, which is one, is kept waiting.
 */
const sandboxesWeighedMax = 16
const emptyDeadlineMs = 5 * secondMs

type Limit = readonly [file: string, value: (size: SandboxSize) => number | string]

const quotaUs = ({ vcpus }: SandboxSize) => Math.round((vcpus + overheadCpus) * periodUs)
const memoryBytes = (size: SandboxSize) => machineMiB(size) * MiB + overheadBytes

const limitsOfVersion1: Readonly<Record<string, readonly Limit[]>> = {
  cpu: [
    ['cpu.cfs_period_us', () => periodUs],
    ['cpu.cfs_quota_us', quotaUs],
    ['cpu.shares', ({ vcpus }) => vcpus * sharesPerCpu],
  ],
  memory: [['memory.limit_in_bytes', memoryBytes]],
  pids: [['pids.max', () => threadsMax]],
}

const limitsOfVersion2: readonly Limit[] = [
  ['cpu.max', (size) => `${quotaUs(size)} ${periodUs}`],
  ['cpu.weight', ({ vcpus }) => vcpus * weightPerCpu],
  ['memory.max', memoryBytes],
  ['pids.max', () => threadsMax],
]

/** One hierarchy, and what is limited in it. */
interface Hierarchy {
  /** Of all sandboxes together: the file, and what it says for one. */
  readonly weight?: readonly [file: string, each: number]
  readonly base: string
  readonly directory: string
  readonly limits: readonly Limit[]
}

export class Cgroups {
  readonly version: 1 | 2
  readonly #hierarchies: readonly Hierarchy[]
  readonly #members = new Set<number>()
  #weighed = 0

  private constructor(version: 1 | 2, hierarchies: readonly Hierarchy[]) {
    this.version = version
    this.#hierarchies = hierarchies
  }

  /** `parent`: relative to the root of each hierarchy; made when it is missing. Rejects, saying what is missing, where the host has no such controllers. */
  static open(parent: string): Cgroups {
    return existsSync(join(root, 'cgroup.controllers'))
      ? new Cgroups(2, [version2(parent)])
      : new Cgroups(1, version1(parent))
  }

  /** Made empty, with its limits. One of that name that is left over and empty is taken. */
  create(uid: number, size: SandboxSize): void {
    for (const { directory, limits } of this.#hierarchies) {
      const path = join(directory, String(uid))
      mkdirSync(path, { recursive: true })
      for (const [file, value] of limits) writeFileSync(join(path, file), String(value(size)))
    }
    this.#members.add(uid)
    this.#weigh()
  }

  /** With all its threads. */
  add(uid: number, pid: number): void {
    for (const { directory } of this.#hierarchies)
      writeFileSync(join(directory, String(uid), 'cgroup.procs'), String(pid))
  }

  /** When its processes have ended; the kernel takes a moment to notice. */
  async remove(uid: number): Promise<void> {
    if (this.#members.delete(uid)) this.#weigh()
    for (const { directory } of this.#hierarchies) {
      await gone(join(directory, String(uid)))
    }
  }

  /** Of one that an earlier daemon started. */
  adopt(uid: number): void {
    this.#members.add(uid)
    this.#weigh()
  }

  #weigh(): void {
    const count = Math.min(Math.max(this.#members.size, 1), sandboxesWeighedMax)
    if (count === this.#weighed) return
    this.#weighed = count
    for (const { directory, weight } of this.#hierarchies)
      if (weight) writeFileSync(join(directory, weight[0]), String(count * weight[1]))
  }

  /** All that have no process in them: what a daemon that died has left. */
  async sweep(): Promise<void> {
    for (const { directory } of this.#hierarchies) {
      for (const entry of existsSync(directory) ? readdirSync(directory, { withFileTypes: true }) : []) {
        if (!entry.isDirectory() || this.#members.has(Number(entry.name))) continue
        const path = join(directory, entry.name)
        // The kernel lets go of it when the parent of its last process has been told.
        if (readFileSync(join(path, 'cgroup.procs'), 'utf8') === '') await gone(path)
      }
    }
  }

  /** What is empty above them too; it is made again when it is needed. */
  async close(): Promise<void> {
    this.#members.clear()
    await this.sweep()
    for (const { directory, base } of this.#hierarchies) {
      for (let path = directory; path !== base && removed(path); ) path = dirname(path)
    }
  }
}

function gone(path: string): Promise<unknown> {
  const limits = { deadlineMs: emptyDeadlineMs, everyMs: 2 }
  return until(`the cgroup ${path} to be empty`, () => removed(path), limits)
}

function removed(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true
    if (hasCode(error, 'EBUSY') || hasCode(error, 'ENOTEMPTY')) return false
    throw error
  }
}

function version1(parent: string): Hierarchy[] {
  return Object.entries(limitsOfVersion1).map(([controller, limits]) => {
    const directory = join(root, controller, parent)
    prepare(directory, `the cgroup controller ${controller} (version 1)`)
    return {
      base: join(root, controller),
      directory,
      limits,
      ...(controller === 'cpu' ? { weight: ['cpu.shares', sharesPerCpu] as const } : {}),
    }
  })
}

function version2(parent: string): Hierarchy {
  const wanted = ['cpu', 'memory', 'pids']
  const has = readFileSync(join(root, 'cgroup.controllers'), 'utf8').split(/\s+/)
  const lacking = wanted.filter((controller) => !has.includes(controller))
  if (lacking.length > 0) throw unavailable(`the cgroup controllers ${lacking.join(', ')} (version 2)`)
  const directory = join(root, parent)
  prepare(directory, 'cgroups (version 2)')
  // From the root down to where the sandboxes are.
  let above = root
  for (const part of [...parent.split('/').filter(Boolean), '']) {
    writeFileSync(join(above, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '))
    above = join(above, part)
  }
  return { base: root, directory, limits: limitsOfVersion2, weight: ['cpu.weight', weightPerCpu] }
}

function prepare(directory: string, what: string): void {
  try {
    mkdirSync(directory, { recursive: true })
  } catch (error) {
    throw unavailable(what, error)
  }
}

function unavailable(what: string, cause?: unknown) {
  const why = cause === undefined ? '' : ` (${messageOf(cause)})`
  return internal(
    'no_cgroups',
    `this host does not offer ${what}${why}: sandboxes cannot be bounded without; mount it below ${root}`,
    { cause },
  )
}
