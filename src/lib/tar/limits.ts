/** A bound on everything that a tar may bring beside the content of its files, each with its reason. */
import { KiB, MiB } from '../units.ts'

/** Linux's XATTR_SIZE_MAX and the room a file's attributes may take. */
export const xattrBytesMax = 64 * KiB
/** A PAX or GNU header that names one entry: held in memory. Go's (so Docker's) reader has the same. */
export const extendedHeaderBytesMax = 1 * MiB
/** Pieces of one sparse file: held in memory. */
export const sparseSegmentsMax = 65_536
