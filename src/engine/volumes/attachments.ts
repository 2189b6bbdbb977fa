/**
 * Who has which volume: one sandbox for writing, or any number for reading. An attachment lasts from the start of a sandbox to its
 * end; in between it may be leaving: then it is worth waiting for.
 */

export interface Holder {
  /** A container's id, or of whatever else has a sandbox. */
  readonly id: string
  /** For people. */
  readonly name: string
}

export interface Attachment {
  readonly volume: string
  readonly holder: Holder
  readonly readOnly: boolean
  readonly leaving: boolean
  /** Resolves when it is over. */
  readonly over: Promise<void>
}

interface Held {
  readonly holder: Holder
  readonly volumes: ReadonlyMap<string, { readonly readOnly: boolean }>
  readonly over: PromiseWithResolvers<void>
  leaving: boolean
}

export class Attachments {
  readonly #held = new Map<string, Held>()

  /** `volumes`: id → how. A holder has all of its volumes at once. */
  add(holder: Holder, volumes: ReadonlyMap<string, { readonly readOnly: boolean }>): void {
    if (volumes.size === 0) return
    this.#held.set(holder.id, { holder, volumes, over: Promise.withResolvers(), leaving: false })
  }

  of(volume: string): Attachment[] {
    const found: Attachment[] = []
    for (const { holder, volumes, over, leaving } of this.#held.values()) {
      const how = volumes.get(volume)
      if (how) found.push({ volume, holder, readOnly: how.readOnly, leaving, over: over.promise })
    }
    return found
  }

  /** Those that keep it from being attached so; one that stays comes before those that leave. */
  clash(volume: string, { readOnly }: { readonly readOnly: boolean }): Attachment | undefined {
    const others = this.of(volume).filter((other) => !readOnly || !other.readOnly)
    return others.find(({ leaving }) => !leaving) ?? others[0]
  }

  volumesOf(holder: string): readonly string[] {
    return [...(this.#held.get(holder)?.volumes.keys() ?? [])]
  }

  leave(holder: string): void {
    const held = this.#held.get(holder)
    if (held) held.leaving = true
  }

  remove(holder: string): void {
    const held = this.#held.get(holder)
    this.#held.delete(holder)
    held?.over.resolve()
  }
}
