/** Sizes that the parts of the host must agree on for the disks of a sandbox. */
import { GiB } from './units.ts'

/**
 * The nominal size of an image disk. Templates are saved with a blank disk of this size, so every block image is padded
 * to it, sparsely: a clone may find another file behind the slot, but no other size.
 */
export const imageDiskBytes = 64 * GiB
