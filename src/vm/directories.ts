/**
 * What a sandbox has on the host's disk while it runs:
 *
 *     RUNTIME/s/NAME/            of its own user: qmp.sock, control.sock, qemu.log, nic.json
 *     STATE/scratch/NAME.img     the writable disk of a clone that nobody has claimed
 *
 * NAME is random while it waits in the pool, and begins as its container's id does once it is claimed: so a later daemon
 * knows what it does not have to keep, whatever moment the last one died at.
 */
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { Nic } from '../engine/ports/sandbox.ts'

/** Unix sockets have 107 characters at most, and the runtime directory takes sixty. */
const nameChars = 24
const unclaimedPrefix = 'pool-'

const nicSchema = z.object({ network: z.string(), netns: z.string(), tap: z.string() }).nullable()

export const claimedName = (id: string): string => id.slice(0, nameChars)

export class Directories {
  readonly sandboxes: string
  readonly #scratch: string

  constructor(runtimeDir: string, stateDir: string) {
    this.sandboxes = join(runtimeDir, 's')
    this.#scratch = join(stateDir, 'scratch')
  }

  async prepare(): Promise<void> {
    for (const path of [this.sandboxes, this.#scratch]) await mkdir(path, { recursive: true, mode: 0o711 })
  }

  newName(): string {
    return `${unclaimedPrefix}${randomBytes(8).toString('hex')}`
  }

  scratchOf(name: string): string {
    return join(this.#scratch, `${name}.img`)
  }

  /** The card is written down before anything uses it. */
  async create(name: string, uid: number, nic: Nic | null): Promise<string> {
    const directory = join(this.sandboxes, name)
    await mkdir(directory, { mode: 0o700 })
    await writeFile(join(directory, 'nic.json'), JSON.stringify(nic), { mode: 0o600 })
    await chown(directory, uid, uid)
    return directory
  }

  async claim(directory: string, id: string): Promise<string> {
    const claimed = join(this.sandboxes, claimedName(id))
    await rename(directory, claimed)
    return claimed
  }

  async remove(directory: string): Promise<void> {
    await rm(directory, { recursive: true, force: true })
  }

  async removeScratch(name: string): Promise<void> {
    await rm(this.scratchOf(name), { force: true })
  }

  list(): Promise<string[]> {
    return readdir(this.sandboxes)
  }

  async removeAllScratch(keep: (name: string) => boolean): Promise<void> {
    for (const entry of await readdir(this.#scratch)) {
      if (!keep(basename(entry, '.img'))) await rm(join(this.#scratch, entry), { force: true })
    }
  }

  async uidOf(directory: string): Promise<number> {
    return (await stat(directory)).uid
  }

  /** null also when its daemon died before it had written it down: nothing used the card then. */
  async nicOf(name: string): Promise<Nic | null> {
    try {
      return nicSchema.parse(JSON.parse(await readFile(join(this.sandboxes, name, 'nic.json'), 'utf8')))
    } catch {
      return null
    }
  }
}
