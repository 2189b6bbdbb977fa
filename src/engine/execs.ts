/** The execs of one container: those that are to be started, that run, and the last of those that have ended. */
import { setTimeout as sleep } from 'node:timers/promises'
import { exhausted } from '../lib/errors.ts'
import type { Pipe } from './logs/pipe.ts'
import type { Exec } from './model.ts'
import type { GuestProcess } from './ports/sandbox.ts'
import type { Run } from './run.ts'

export interface ExecRecord {
  exec: Exec
  run: Run | null
  process: GuestProcess | null
  pipe: Pipe | null
  /** Resolves when it has ended. */
  ended: Promise<void>
}

/** Health checks and cron jobs make many; who asks for the outcome does so soon. */
const endedMax = 128
const createdMax = 512

export class Execs {
  /** In the order they were made. */
  readonly #records = new Map<string, ExecRecord>()

  add(record: ExecRecord): void {
    const created = this.#with('created')
    if (created.length >= createdMax) {
      throw exhausted(
        'too_many_execs',
        `the container has ${createdMax} execs that were never started; start them`,
      )
    }
    for (const { exec } of this.#with('exited').slice(0, -endedMax)) this.#records.delete(exec.id)
    this.#records.set(record.exec.id, record)
  }

  get(id: string): ExecRecord | undefined {
    return this.#records.get(id)
  }

  /** Of those that can still be heard of: as Docker's inspect. */
  ids(): string[] {
    return [...this.#records.values()]
      .filter(({ exec }) => exec.status !== 'exited')
      .map(({ exec }) => exec.id)
  }

  /** Those of a run have a moment to end with it, so that their clients hear of their exit. */
  async settled(run: Run, deadlineMs: number): Promise<void> {
    const running = this.#with('running').filter((record) => record.run === run)
    if (running.length === 0) return
    const late = new AbortController()
    const all = Promise.all(running.map(({ ended }) => ended))
    await Promise.race([all, sleep(deadlineMs, undefined, { signal: late.signal })])
    late.abort()
  }

  /** With a run go those that were to be started in it. */
  forgetUnstarted(): void {
    for (const { exec } of this.#with('created')) this.#records.delete(exec.id)
  }

  clear(): void {
    this.#records.clear()
  }

  #with(status: Exec['status']): ExecRecord[] {
    return [...this.#records.values()].filter(({ exec }) => exec.status === status)
  }
}
