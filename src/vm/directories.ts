/**
 * What a sandbox has on the host's disk while it runs:
 *
 *     RUNTIME/s/NAME/     of its own user: qmp.sock, control.sock, qemu.log, nic.json
 *     STATE/disks/NAME/   what it can open of the host's disks: a file while it is lent (lend.ts)
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

/** In the disks' directory of each sandbox. */
export const scratchFile = 'scratch.img'

export const claimedName = (id: string): string => id.slice(0, nameChars)

export class Directories {
  readonly sandboxes: string
  readonly disks: string

  constructor(runtimeDir: string, stateDir: string) {
    this.sandboxes = join(runtimeDir, 's')
    this.disks = join(stateDir, 'disks')
  }

  async prepare(): Promise<void> {
    for (const path of [this.sandboxes, this.disks]) await mkdir(path, { recursive: true, mode: 0o711 })
  }

  newName(): string {
    return `${unclaimedPrefix}${randomBytes(8).toString('hex')}`
  }

  /** Of a machine that is booted to be looked at or saved. */
  newBootName(): string {
    return `boot-${randomBytes(8).toString('hex')}`
  }

  /** What the sandbox of that name, or in that directory, can open of the host's disks. */
  disksOf(nameOrDirectory: string): string {
    return join(this.disks, basename(nameOrDirectory))
  }

  /** Its writable disk until it is claimed. */
  scratchOf(nameOrDirectory: string): string {
    return join(this.disksOf(nameOrDirectory), scratchFile)
  }

  /** The first that is there of a sandbox; its own user can search it, and make nothing in it. */
  async createDisks(name: string): Promise<void> {
    await mkdir(join(this.disks, name), { mode: 0o711 })
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
    await rename(join(this.disks, basename(directory)), join(this.disks, claimedName(id)))
    await rename(directory, claimed)
    return claimed
  }

  /** Of the sandbox of that name, or in that directory. Two may remove the same: who ends it, and who finds that it belongs to nobody. */
  async remove(nameOrDirectory: string): Promise<void> {
    await rm(this.disksOf(nameOrDirectory), { recursive: true, force: true })
    await rm(join(this.sandboxes, basename(nameOrDirectory)), { recursive: true, force: true })
  }

  /** Also of which only a part was made. */
  async list(): Promise<string[]> {
    return [...new Set([...(await readdir(this.sandboxes)), ...(await readdir(this.disks))])]
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
