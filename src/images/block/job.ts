/** What the thread that merges layers is given, and what it tells. */

import type { Compression } from '../../lib/compression.ts'
import type { ErrorKind } from '../../lib/errors.ts'
import type { ImageLimits } from '../limits.ts'

export interface BuildLayer {
  readonly path: string
  readonly compression: Compression
  readonly diffId: string
  /** false: the bytes were hashed when they were stored, and are the tar itself. */
  readonly hash: boolean
}

export interface BuildJob {
  readonly layers: readonly BuildLayer[]
  /** An empty file to make the block image in; null: the layers are only verified. */
  readonly output: string | null
  /** The size the block image is padded to. */
  readonly diskBytes: number
  readonly limits: ImageLimits
}

export interface LayerFacts {
  readonly tarBytes: number
  readonly contentBytes: number
}

export type BuildMessage =
  /** Bytes of the stored layer that were read. */
  | { readonly type: 'progress'; readonly layer: number; readonly bytes: number }
  | { readonly type: 'layer'; readonly layer: number; readonly facts: LayerFacts }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly kind: ErrorKind; readonly code: string; readonly message: string }
