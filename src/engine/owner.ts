/**
 * The one owner of a container. Every change of its state is a short task in its queue; what takes long (booting a
 * sandbox, the grace of a stop) is awaited outside of it, so that no request is held up by another's patience.
 */
import { join } from 'node:path'
import { internal, notModified } from '../lib/errors.ts'
import { SerialQueue } from '../lib/queue.ts'
import type { Attachment } from './attach.ts'
import type { EngineContext } from './context.ts'
import { Execs } from './execs.ts'
import type { Opened } from './files/opened.ts'
import { decide, denial, type UserRequest } from './lifecycle.ts'
import { type ContainerLog, createContainerLog } from './logs/container-log.ts'
import type { ContainerState, ContainerStatus } from './model.ts'
import type { StoredContainer } from './ports/store.ts'
import type { Run } from './run.ts'
import { Waiters } from './wait.ts'

export class ContainerOwner {
  readonly queue = new SerialQueue()
  readonly log: ContainerLog
  readonly waiters = new Waiters()
  readonly attachments = new Set<Attachment>()
  readonly execs = new Execs()
  readonly directory: string
  /** While a process exists or is about to. */
  run: Run | null = null
  /** What is left of the last run: the next one and the removal wait for it. */
  teardown: Promise<void> = Promise.resolve()
  /** Ends that at once. */
  hurryTeardown: () => Promise<void> = async () => {}
  /** While its files are reached without it running. */
  opened: Opened | null = null
  restart: { timer: NodeJS.Timeout | undefined; delayMs: number } = { timer: undefined, delayMs: 0 }
  readonly #context: EngineContext
  #container: StoredContainer

  constructor(context: EngineContext, container: StoredContainer) {
    this.#context = context
    this.#container = container
    this.directory = directoryOf(context, container.id)
    this.log = createContainerLog(container.spec.logConfig, {
      directory: join(this.directory, 'logs'),
      clock: context.clock,
      log: context.log,
    })
  }

  get id(): string {
    return this.#container.id
  }

  /** As it is now; a snapshot that does not change. */
  get container(): StoredContainer {
    return this.#container
  }

  get status(): ContainerStatus {
    return this.#container.state.status
  }

  get scratchPath(): string {
    return join(this.directory, 'scratch.img')
  }

  /** In memory; `save` makes it last. */
  change(
    change: Partial<Pick<StoredContainer, 'name' | 'spec' | 'sandbox' | 'ports' | 'scratchBaseBytes'>>,
  ): void {
    this.#container = { ...this.#container, ...change }
  }

  changeState(change: Partial<ContainerState>): void {
    this.#container = { ...this.#container, state: { ...this.#container.state, ...change } }
  }

  /** `ahead`: what is true for the next daemon before it is for this one. */
  async save(ahead: Partial<ContainerState> = {}): Promise<void> {
    const container = this.#container
    await this.#context.options.containers.update({ ...container, state: { ...container.state, ...ahead } })
  }

  /** In the queue, before a start, or a removal (`now`): what waits for the teardown waits for this. False: nothing was open. */
  closeFiles({ now }: { readonly now: boolean }): boolean {
    const { opened } = this
    if (!opened) return false
    this.hurryTeardown = () => opened.close({ now: true })
    this.teardown = opened.close({ now })
    return true
  }

  cancelRestart(): void {
    clearTimeout(this.restart.timer)
    this.restart.timer = undefined
  }

  /**
   * Decides, and does `act` in the queue when it is to be done. Answers `act`'s value, or the run to join. Waits as long as
   * a start is under way that has to settle first.
   */
  async perform<T>(
    request: UserRequest,
    act: (to: ContainerStatus) => T | Promise<T>,
  ): Promise<{ done: true; value: T } | { done: false; join: Run }> {
    for (;;) {
      const { verdict, run, value } = await this.queue.run(async () => {
        const verdict = decide(this.status, request)
        const value = verdict.is === 'act' ? { of: await act(verdict.to) } : undefined
        return { verdict, run: this.run, value }
      })
      if (value) return { done: true, value: value.of }
      if (verdict.is === 'deny') throw denial(verdict.reason, this.#container)
      if (verdict.is === 'not_modified') {
        throw notModified('not_modified', `container ${this.#container.name} is so already`)
      }
      if (!run) throw internal('no_run', `container ${this.id} is ${this.status} without a process`)
      if (verdict.is === 'join') return { done: false, join: run }
      if (verdict.is === 'later' && verdict.abort) run.abort.abort()
      await run.started.promise.catch(() => {})
    }
  }

  /** For what needs a guest that answers. */
  async inUse(): Promise<Run> {
    const outcome = await this.perform('use', () => this.run)
    if (!outcome.done || !outcome.value) throw denial('not_running', this.#container)
    return outcome.value
  }
}

export function directoryOf(context: EngineContext, id: string): string {
  return join(context.options.directory, id)
}
