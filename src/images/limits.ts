/** A bound on everything that an image, an archive or a registry may bring, each with its reason. */
import { GiB, MiB, secondMs } from '../lib/units.ts'

export interface ImageLimits {
  /** All layers of an image together, uncompressed, holes of sparse files counted: the disk a tenant can make us write. */
  readonly imageBytesMax: number
  /** Entries of all layers together; each is held in memory (about 250 bytes) until the block image is made. */
  readonly imageEntriesMax: number
  /** An archive given to `load`, as it is spooled to disk. */
  readonly archiveBytesMax: number
  /** Heap of the thread that merges layers; twice what `imageEntriesMax` ordinary entries take. */
  readonly buildHeapMiBMax: number
  /** No bytes for this long from a registry: the connection is taken for dead and resumed. */
  readonly registryIdleMs: number
  /** First wait before a request to a registry is tried again; doubles each time. */
  readonly registryRetryMs: number
}

export const defaultLimits: ImageLimits = {
  imageBytesMax: 10 * GiB,
  imageEntriesMax: 1_000_000,
  archiveBytesMax: 24 * GiB,
  buildHeapMiBMax: 768,
  registryIdleMs: 30 * secondMs,
  registryRetryMs: 500,
}

/** As Docker; more could not be stacked there either. */
export const layersMax = 127
/** Read whole into memory. The registry's own limit. */
export const manifestBytesMax = 4 * MiB
/** Read whole into memory, stored in the state store. */
export const configBytesMax = 4 * MiB
/** Manifests are followed from an index to an image, never deeper than an index of an index. */
export const manifestDepthMax = 3
/** Answers of token servers, error bodies and lists of tags. */
export const registryAnswerBytesMax = 1 * MiB
/** Tags that `pull --all-tags` follows. */
export const tagsMax = 1_000

/** Linux gives no longer path to any process in the guest. */
export const pathBytesMax = 4096
export const nameBytesMax = 255
export const xattrNameBytesMax = 255
/** Files beside layers in an archive given to `load`. */
export const archiveEntriesMax = 10_000
