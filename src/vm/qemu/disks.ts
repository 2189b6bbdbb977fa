/**
 * What lies behind the disks of a running QEMU. A slot is a `raw` node over one that can be exchanged; the guest's device is tied
 * to the slot for ever, and nothing of it may be written beyond the length of what lies behind.
 */
import { SerialQueue } from '../../lib/queue.ts'
import { MiB, secondMs } from '../../lib/units.ts'
import { childNode, diskPath, fileNode, isReadOnly, slotNode } from './args.ts'
import type { Jobs } from './jobs.ts'
import type { Qmp } from './qmp.ts'

/** A disk that is slower than this is broken, or its host is. */
const copyBytesPerSecondLeast = 8 * MiB
const copyDeadlineLeastMs = 60 * secondMs
const copyPrefix = 'copy-'

export interface DiskFile {
  /** In the directory of its disks. */
  readonly name: string
  readonly bytes: number
}

export class Disks {
  readonly #qmp: Qmp
  readonly #jobs: Jobs
  readonly #copies = new SerialQueue()
  #swaps = 0

  constructor(qmp: Qmp, jobs: Jobs) {
    this.#qmp = qmp
    this.#jobs = jobs
  }

  async swap(slot: string, name: string, readOnly = isReadOnly(slot)): Promise<string> {
    const node = `${childNode(slot)}${++this.#swaps}`
    const added = this.#qmp.execute('blockdev-add', fileNode(node, diskPath(name), readOnly))
    const reopened = this.#qmp.execute('blockdev-reopen', { options: [slotNode(slot, node, readOnly)] })
    // That the second failed says nothing when the first did.
    reopened.catch(() => {})
    await added
    await reopened
    return node
  }

  /**
   * The guest learns of a new size by an interrupt, which only a resize of a writable node brings. So the slot of a read-only
   * volume is for a moment writable, over `measure`, an empty file of its length.
   */
  async attach(slot: string, { name, bytes }: DiskFile, measure: string): Promise<void> {
    if (!isReadOnly(slot)) {
      await this.swap(slot, name)
      await this.resize(slot, bytes)
      return
    }
    const node = await this.swap(slot, measure, false)
    await this.resize(slot, bytes)
    await this.swap(slot, name)
    await this.#qmp.execute('blockdev-del', { 'node-name': node })
  }

  async resize(slot: string, bytes: number): Promise<void> {
    await this.#qmp.execute('block_resize', { 'node-name': slot, size: bytes })
  }

  /**
   * A mirror of the disk, cut off at the moment it is whole. Unlike a backup, which is the disk as it was at the beginning, it
   * leaves holes where the disk is empty, and a target that fails fails nothing but the copy.
   */
  copy(slot: string, { name: file, bytes }: DiskFile): Promise<void> {
    return this.#copies.run(async () => {
      const name = `${copyPrefix}${slot}`
      const target = { ...fileNode(name, diskPath(file), false), 'detect-zeroes': 'unmap' }
      await this.#qmp.execute('blockdev-add', target)
      try {
        const deadlineMs = copyDeadlineLeastMs + (bytes / copyBytesPerSecondLeast) * secondMs
        await this.#jobs.run(name, deadlineMs, () =>
          this.#qmp.execute('blockdev-mirror', {
            ...{ 'job-id': name, device: slot, target: name },
            // What a guest writes meanwhile it writes to both, so that it cannot outrun the copy.
            ...{ sync: 'full', 'copy-mode': 'write-blocking' },
          }),
        )
      } finally {
        await this.#qmp.execute('blockdev-del', { 'node-name': name })
      }
    })
  }

  /** Copies of an earlier daemon. */
  endCopies(): Promise<void> {
    return this.#copies.run(async () => {
      const jobs = (await this.#qmp.execute('query-jobs')) as readonly { id: string }[]
      for (const { id } of jobs) if (id.startsWith(copyPrefix)) await this.#jobs.cancel(id)
      const nodes = (await this.#qmp.execute('query-named-block-nodes', { flat: true })) as readonly {
        'node-name': string
      }[]
      for (const { 'node-name': name } of nodes) {
        if (name.startsWith(copyPrefix)) await this.#qmp.execute('blockdev-del', { 'node-name': name })
      }
    })
  }
}
