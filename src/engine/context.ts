/** What every part of the engine is given: the ports, and the few things they share. */
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from './clock.ts'
import type { EngineOptions } from './engine.ts'
import type { Events } from './events.ts'
import type { StoredContainer } from './ports/store.ts'
import type { Registry } from './registry.ts'
import type { VolumeKeeper } from './volumes/keeper.ts'

export interface EngineContext {
  readonly options: EngineOptions
  readonly clock: Clock
  readonly log: Log
  readonly events: Events
  readonly registry: Registry
  readonly volumes: VolumeKeeper
  /** Work that goes on after its request was answered; close() waits for it. */
  readonly background: Background
  /** Ports of ended containers that are being given back: a network is removed after them. */
  readonly leaving: Background
  /** From here on nothing that happens is ours to record: the next daemon will find it. */
  isClosing: boolean
}

export class Background {
  readonly #running = new Set<Promise<void>>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** There is nobody else to tell of a failure, so it is logged. */
  add(work: Promise<void>): void {
    const tracked = work
      .catch((error) => this.#log.error({ error: messageOf(error) }, 'work in the background failed'))
      .finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running])
  }
}

/** Tells of a container in dockerd's attributes. */
export function tell(
  context: EngineContext,
  container: StoredContainer,
  action: string,
  extra: Readonly<Record<string, string>> = {},
): void {
  const { id, project, name, spec } = container
  const attributes = { ...spec.labels, image: spec.image, name, ...extra }
  context.events.publish({ project, type: 'container', action, actor: { id, attributes } })
}
