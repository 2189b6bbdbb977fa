/**
 * Clones kept ready, by kind. A claim takes one; another is made when things are quiet again, so that it does not compete with
 * the start that has just taken one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Clone, CloneKind, Clones } from './clones.ts'

/** A start is done in less. */
const quietMs = 250
/** After a failure, which will be there for a while: the disk is full, say. */
const retryMs = 5_000

interface Shelf {
  readonly kind: CloneKind
  readonly ready: Clone[]
  target: number
  filling: Promise<void> | null
}

export class Pool {
  readonly #clones: Clones
  readonly #log: Log
  readonly #shelves = new Map<string, Shelf>()
  readonly #stop = new AbortController()
  #lastClaim = 0

  constructor(clones: Clones, log: Log) {
    this.#clones = clones
    this.#log = log
  }

  /** How many of a kind there are to be. */
  keep(kind: CloneKind, target: number): void {
    const shelf = this.#shelf(kind)
    shelf.target = target
    this.#fill(shelf)
  }

  /** undefined: there is none. */
  take(kind: CloneKind): Clone | undefined {
    this.#lastClaim = performance.now()
    const shelf = this.#shelves.get(keyOf(kind))
    const clone = (shelf && this.#takeSound(shelf)) ?? this.#takeFromOther(kind)
    if (shelf) this.#fill(shelf)
    return clone
  }

  /** One that waited while the host's disk was full may have a file system that is read-only for good. */
  #takeSound({ ready }: Shelf): Clone | undefined {
    for (let clone = ready.shift(); clone; clone = ready.shift()) {
      if (!clone.machine.hasLostWrites) return clone
      const { name } = clone
      this.#log.warn({ clone: name }, 'a clone that waited could not write to its disk, and is ended')
      this.#clones
        .discard(clone)
        .catch((error) =>
          this.#log.error({ clone: name, error: messageOf(error) }, 'a clone could not be ended'),
        )
    }
    return undefined
  }

  /** A card is plugged into a network when its sandbox is started, and may be moved to any network then. */
  #takeFromOther({ size, network, scratchBytes }: CloneKind): Clone | undefined {
    if (network === null) return undefined
    for (const shelf of this.#shelves.values()) {
      const { kind } = shelf
      const fits =
        kind.network !== null && keyOf({ ...kind, network }) === keyOf({ size, network, scratchBytes })
      const clone = fits ? this.#takeSound(shelf) : undefined
      if (!clone) continue
      this.#fill(shelf)
      return clone
    }
    return undefined
  }

  /** Those on the shelves. */
  clones(): readonly Clone[] {
    return [...this.#shelves.values()].flatMap(({ ready }) => ready)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const shelf of this.#shelves.values()) await shelf.filling
    const clones = [...this.#shelves.values()].flatMap(({ ready }) => ready.splice(0))
    await Promise.all(clones.map((clone) => this.#clones.discard(clone)))
  }

  #shelf(kind: CloneKind): Shelf {
    const key = keyOf(kind)
    let shelf = this.#shelves.get(key)
    if (!shelf) {
      shelf = { kind, ready: [], target: 0, filling: null }
      this.#shelves.set(key, shelf)
    }
    return shelf
  }

  #fill(shelf: Shelf): void {
    shelf.filling ??= this.#fillUp(shelf).finally(() => {
      shelf.filling = null
    })
  }

  async #fillUp(shelf: Shelf): Promise<void> {
    const { signal } = this.#stop
    try {
      while (!signal.aborted && shelf.ready.length < shelf.target) {
        const wait = this.#lastClaim + quietMs - performance.now()
        if (wait > 0) {
          await sleep(wait, undefined, { signal, ref: false })
          continue
        }
        await this.#add(shelf)
      }
    } catch (error) {
      if (signal.aborted) return
      this.#log.error(
        { size: shelf.kind.size.name, error: messageOf(error) },
        'no clone could be made ahead; trying again in 5 s',
      )
      await sleep(retryMs, undefined, { signal, ref: false }).catch(() => {})
      if (!signal.aborted) setImmediate(() => this.#fill(shelf))
    }
  }

  async #add(shelf: Shelf): Promise<void> {
    const clone = await this.#clones.make(shelf.kind)
    try {
      await this.#clones.warm(clone)
    } catch (error) {
      await this.#clones.discard(clone)
      throw error
    }
    shelf.ready.push(clone)
    // One that dies while it waits is nobody's loss.
    void clone.machine.ended.then(async () => {
      const at = shelf.ready.indexOf(clone)
      if (at < 0) return
      shelf.ready.splice(at, 1)
      this.#log.warn({ clone: clone.name }, 'a clone that waited has ended')
      await this.#clones.discard(clone)
      this.#fill(shelf)
    })
  }
}

const keyOf = ({ size, network, scratchBytes }: CloneKind): string =>
  JSON.stringify([size, network, scratchBytes])
