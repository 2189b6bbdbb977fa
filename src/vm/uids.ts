/** A user of its own for each sandbox: numbers that no person and no service has. Who has which is told by its directory's owner. */
import { crc32 } from 'node:zlib'
import { exhausted } from '../lib/errors.ts'

const first = 200_000
const count = 65_536

export class Uids {
  readonly #used = new Set<number>()
  #next: number

  /** Daemons that share a host begin at places of their own: each knows only its own sandboxes. */
  constructor(whose: string) {
    this.#next = first + (crc32(whose) % count)
  }

  take(): number {
    for (let tries = 0; tries < count; tries++) {
      const uid = this.#next
      this.#next = first + ((uid - first + 1) % count)
      if (this.#used.has(uid)) continue
      this.#used.add(uid)
      return uid
    }
    throw exhausted('too_many_sandboxes', `this host runs ${count} sandboxes, which is all it has users for`)
  }

  /** Of a sandbox that an earlier daemon started. */
  reserve(uid: number): void {
    this.#used.add(uid)
  }

  release(uid: number): void {
    this.#used.delete(uid)
  }
}
