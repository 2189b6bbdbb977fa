/**
 * Templates: for each size a machine that was booted, warmed and stopped, its memory in a file that clones map and copy a page
 * of when they write to it. Nothing of any tenant has ever been in one. They are named by the hash of all that they are made
 * of, so a stale one is never found; made whole in a directory aside, so a half-made one is neither.
 *
 *     DIR/<hash>/keeper.json   the process that holds the memory, which is sealed: see jail/sealed-memory.ts
 *                state         of the devices
 *                sha256        of that and of the disk
 *                scratch.img   the writable disk, as mounted by the guest in memory
 */
import { createHash, randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Nic, SandboxSize } from '../engine/ports/sandbox.ts'
import { hasCode, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { startTicksOf } from '../lib/processes.ts'
import { Rollback } from '../lib/rollback.ts'
import { readSparse, type SparseImage, writeSparse } from '../lib/sparse.ts'
import { run } from '../lib/spawn.ts'
import { MiB, minuteMs, secondMs } from '../lib/units.ts'
import { type Directories, scratchFile } from './directories.ts'
import { GuestChannel } from './guest/channel.ts'
import { ops } from './guest/protocol.ts'
import type { Hypervisor } from './hypervisor.ts'
import type { Cgroups } from './jail/cgroups.ts'
import {
  closeMemory,
  createMemory,
  findMemory,
  forgetMemory,
  keepMemory,
  sealMemory,
} from './jail/sealed-memory.ts'
import { machineMiB } from './memory.ts'
import type { Uids } from './uids.ts'

export interface Template {
  readonly size: SandboxSize
  /** Descriptor. */
  readonly memory: number
  readonly state: string
  /** Tells whether the state is still that one. */
  readonly mark: string
  readonly scratch: SparseImage
}

export interface TemplateKey {
  readonly size: SandboxSize
  readonly scratchBytes: number
  /** Whether there is a card. */
  readonly hasNic: boolean
}

type BorrowNic = () => Promise<{ nic: Nic | null; giveBack: () => Promise<void> }>

export interface TemplatesOptions {
  readonly hypervisor: Hypervisor
  readonly directory: string
  readonly directories: Directories
  readonly cgroups: Cgroups
  readonly uids: Uids
  readonly log: Log
}

const keeperFile = 'keeper.json'
const sumFile = 'sha256'
/** Under emulation a boot takes half a second and warming one or two, on a busy host many times that. */
const bootDeadlineMs = minuteMs
/** The journal costs every clone what is written of it: small. */
const journalMiB = 8

export class Templates {
  readonly #options: TemplatesOptions
  readonly #made = new Map<string, Promise<Template>>()

  constructor(options: TemplatesOptions) {
    this.#options = options
  }

  /** Makes it when it is not there yet; who asks meanwhile waits for the same. `borrowNic` for the time of making it. */
  get(key: TemplateKey, borrowNic: BorrowNic): Promise<Template> {
    const name = this.#nameOf(key)
    const known = this.#made.get(name)
    if (known) {
      return known.then((template) => {
        if (this.#isWhole(template)) return template
        // Others may have found the same, and have another made already.
        if (this.#made.get(name) === known) this.#made.delete(name)
        return this.get(key, borrowNic)
      })
    }
    const making = this.#find(name, key).then((found) => found ?? this.#make(name, key, borrowNic))
    this.#made.set(name, making)
    // A failure is told to who asked; the next who asks tries again.
    making.catch(() => this.#made.delete(name))
    return making
  }

  /**
   * False when somebody has taken its state away or written to it. Its memory stays with the daemon then: a clone may be about to be
   * given it.
   */
  #isWhole({ state, mark }: Template): boolean {
    if (markOf(state) === mark) return true
    this.#options.log.warn({ state }, 'the state of a template has been changed or removed: making another')
    return false
  }

  /** Removes what no template of this daemon is called: of other kernels, and half-made ones. */
  async sweep(): Promise<void> {
    const { directory, hypervisor } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o711 })
    const ours = hypervisor.fingerprint.slice(0, 12)
    for (const name of await readdir(directory)) {
      const maker = /\.part-(\d+)-/.exec(name)?.[1]
      const isStale = maker ? startTicksOf(Number(maker)) === undefined : !name.startsWith(`${ours}-`)
      if (isStale) await this.#remove(join(directory, name))
    }
  }

  #nameOf({ size, scratchBytes, hasNic }: TemplateKey): string {
    const { hypervisor } = this.#options
    const sum = createHash('sha256')
    sum.update(
      JSON.stringify([size.vcpus, size.memoryMiB, scratchBytes, hasNic, hypervisor.accelerator, journalMiB]),
    )
    return `${hypervisor.fingerprint.slice(0, 12)}-${size.name}-${sum.digest('hex').slice(0, 12)}`
  }

  /** One whose memory is gone is of no use. */
  async #find(name: string, { size }: TemplateKey): Promise<Template | undefined> {
    const { directory, log } = this.#options
    const template = join(directory, name)
    const memory = await findMemory(join(template, keeperFile))
    if (memory !== undefined) {
      if (await isSound(template)) return describe(template, size, memory)
      closeMemory(memory)
      log.warn({ template }, 'a template is damaged: making another')
    }
    await this.#remove(template)
    return undefined
  }

  async #remove(template: string): Promise<void> {
    await forgetMemory(join(template, keeperFile))
    await rm(template, { recursive: true, force: true })
  }

  async #make(name: string, key: TemplateKey, borrowNic: BorrowNic): Promise<Template> {
    const { directory, log } = this.#options
    const began = performance.now()
    const part = join(directory, `${name}.part-${process.pid}-${randomBytes(4).toString('hex')}`)
    await using undo = new Rollback()
    await mkdir(part, { recursive: true, mode: 0o711 })
    undo.add(() => this.#remove(part))
    const memory = createMemory(machineMiB(key.size) * MiB)
    undo.add(() => closeMemory(memory))
    await this.#bootAndSave(part, memory, key, borrowNic)
    sealMemory(memory)
    await writeFile(join(part, sumFile), await sumOf(part), { mode: 0o600 })
    await keepMemory(memory, join(part, keeperFile), join(directory, name))
    const whole = join(directory, name)
    try {
      await rename(part, whole)
    } catch (error) {
      // Another daemon that shares the directory was faster, and made the same.
      if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error
      await this.#remove(part)
    }
    undo.commit()
    log.info({ size: key.size.name, ms: Math.round(performance.now() - began) }, 'template made')
    return describe(whole, key.size, memory)
  }

  async #bootAndSave(
    part: string,
    memory: number,
    { size, scratchBytes, hasNic }: TemplateKey,
    borrowNic: BorrowNic,
  ): Promise<void> {
    const { hypervisor, uids, directories, cgroups } = this.#options
    await using done = new Rollback()
    const uid = uids.take()
    done.add(() => uids.release(uid))
    done.add(() => cgroups.remove(uid))
    const borrowed = hasNic ? await borrowNic() : { nic: null, giveBack: async () => {} }
    done.add(borrowed.giveBack)
    const room = directories.newBootName()
    done.add(() => directories.remove(room))
    await directories.createDisks(room)
    const directory = await directories.create(room, uid, borrowed.nic)
    const scratch = directories.scratchOf(room)
    await writeSparse(scratch, { bytes: scratchBytes, extents: [] }, uid)
    await makeFileSystem(scratch)
    const machine = await hypervisor.boot({
      directory,
      uid,
      size,
      nic: borrowed.nic,
      memory,
      scratchBytes,
    })
    done.add(() => machine.kill())
    const channel = await GuestChannel.open(machine.control, {
      fresh: true,
      deadlineMs: bootDeadlineMs,
    })
    await channel.request(ops.warm, undefined, { deadlineMs: bootDeadlineMs })
    await channel.request(ops.sync, undefined, { deadlineMs: bootDeadlineMs })
    // Still connected, as its clones will be.
    await machine.save(join(part, 'state'))
    await writeSparse(join(part, scratchFile), await readSparse(scratch), 0)
  }
}

/** What SHA-256 makes of the state and of the disk. */
async function sumOf(directory: string): Promise<string> {
  const sum = createHash('sha256').update(await readFile(join(directory, 'state')))
  const { bytes, extents } = await readSparse(join(directory, scratchFile))
  sum.update(String(bytes))
  for (const { offset, data } of extents) sum.update(`${offset} `).update(data)
  return sum.digest('hex')
}

async function isSound(directory: string): Promise<boolean> {
  try {
    return (await readFile(join(directory, sumFile), 'utf8')) === (await sumOf(directory))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** Another when somebody has written to the file or put another in its place. */
function markOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? [found.ino, found.size, found.mtimeMs, found.ctimeMs].join(' ') : 'gone'
}

async function describe(directory: string, size: SandboxSize, memory: number): Promise<Template> {
  return {
    size,
    memory,
    state: join(directory, 'state'),
    mark: markOf(join(directory, 'state')),
    scratch: await readSparse(join(directory, scratchFile)),
  }
}

/** Everything that ext4 keeps about itself at the front, so that a fresh disk is a few pieces. */
async function makeFileSystem(path: string): Promise<void> {
  const extended = 'packed_meta_blocks=1,lazy_itable_init=1,lazy_journal_init=1,nodiscard,num_backup_sb=0'
  try {
    await run(
      'mke2fs',
      [
        ...['-q', '-F', '-t', 'ext4', '-m', '0', '-I', '256', '-i', '32768'],
        ...[
          '-O',
          'sparse_super2,^resize_inode,metadata_csum,64bit',
          '-J',
          `size=${journalMiB}`,
          '-E',
          extended,
          path,
        ],
      ],
      { deadlineMs: 60 * secondMs },
    )
  } catch (error) {
    throw new Error(`the writable disk ${path} could not be made: ${messageOf(error)}`, { cause: error })
  }
}
