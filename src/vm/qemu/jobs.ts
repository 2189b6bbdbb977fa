/** Jobs of QEMU's block layer: what goes on behind the guest's back and is told by events. */
import { within } from '../../lib/deadline.ts'
import { internal } from '../../lib/errors.ts'
import { secondMs } from '../../lib/units.ts'
import { sandboxGone } from '../guest/failures.ts'
import type { Qmp, QmpEvent } from './qmp.ts'

/** It has only to let go of what it is at. */
const cancelDeadlineMs = 20 * secondMs

interface Waiting {
  failure: Error | undefined
  readonly gone: PromiseWithResolvers<void>
}

export class Jobs {
  readonly #qmp: Qmp
  readonly #waiting = new Map<string, Waiting>()

  constructor(qmp: Qmp) {
    this.#qmp = qmp
    void qmp.closed.then(() => {
      for (const { gone } of this.#waiting.values()) gone.reject(sandboxGone())
    })
  }

  note({ name, data }: QmpEvent): void {
    const waiting = this.#waiting.get(String(name === 'JOB_STATUS_CHANGE' ? data.id : data.device))
    if (!waiting) return
    if (name === 'BLOCK_JOB_READY') this.#finishMirror(String(data.device), waiting)
    if (name === 'BLOCK_JOB_CANCELLED') waiting.failure ??= internal('qmp_failed', 'the job was cancelled')
    if (name === 'BLOCK_JOB_COMPLETED' && data.error !== undefined)
      waiting.failure ??= internal('qmp_failed', `QEMU could not finish its job: ${String(data.error)}`)
    if (name === 'JOB_STATUS_CHANGE' && data.status === 'null') waiting.gone.resolve()
  }

  /**
   * Until the job is done and gone; a mirror is done when it is ready. One that takes too long is cancelled: however this settles,
   * there is no job any more.
   */
  async run(id: string, deadlineMs: number, begin: () => Promise<unknown>): Promise<void> {
    const waiting = this.#wait(id)
    try {
      await begin()
      await within(waiting.gone.promise, deadlineMs, `the job ${id}`).catch(async (error) => {
        await this.#cancel(id, waiting)
        throw error
      })
      if (waiting.failure) throw waiting.failure
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** One that nobody here waits for; it may end by itself meanwhile. */
  async cancel(id: string): Promise<void> {
    const waiting = this.#wait(id)
    try {
      await this.#cancel(id, waiting)
    } finally {
      this.#waiting.delete(id)
    }
  }

  #wait(id: string): Waiting {
    const waiting = { failure: undefined, gone: Promise.withResolvers<void>() }
    waiting.gone.promise.catch(() => {})
    this.#waiting.set(id, waiting)
    return waiting
  }

  /** To `complete` it would make the guest write to the copy from then on. */
  #finishMirror(id: string, waiting: Waiting): void {
    this.#qmp.execute('block-job-cancel', { device: id }).catch((error) => waiting.gone.reject(error))
  }

  async #cancel(id: string, { gone }: Waiting): Promise<void> {
    await this.#qmp.execute('block-job-cancel', { device: id, force: true }).catch(async (error) => {
      const jobs = (await this.#qmp.execute('query-jobs')) as readonly { id: string }[]
      if (jobs.some((job) => job.id === id)) throw error
      gone.resolve()
    })
    await within(gone.promise, cancelDeadlineMs, `cancelling the job ${id}`)
  }
}
