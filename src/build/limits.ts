/** A bound on everything that a build may bring, each with its reason. */
import { GiB, MiB } from '../lib/units.ts'

export interface BuildLimits {
  /** Files of a context together, as they are spooled to disk; so much again for what ADD unpacks of them. */
  readonly contextBytesMax: number
  /** Entries of a context: each is held in memory (some 300 bytes) while the build goes on. */
  readonly contextEntriesMax: number
}

export const defaultLimits: BuildLimits = {
  contextBytesMax: 10 * GiB,
  contextEntriesMax: 500_000,
}

/** Names and attributes of a context together: held in memory. */
export const contextNameBytesMax = 128 * MiB
/** `/etc/passwd` and `/etc/group` of an image, read whole to find a user by name. */
export const userFileBytesMax = 4 * MiB
/** Read whole. */
export const ignoreFileBytesMax = 1 * MiB
/** Symbolic links that one path may lead through: Linux's own. */
export const linksMax = 40
