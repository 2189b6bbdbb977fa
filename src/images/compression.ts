/** What compression bytes are in, by their first bytes, and the way out of it. */
import type { Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { invalid } from '../lib/errors.ts'
import { KiB } from '../lib/units.ts'
import { compressionAllowanceBytes, compressionRatioMax } from './limits.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

/** What `sniff` needs to see, if there is as much. */
export const magicBytes = 6

const magics: readonly [name: string, bytes: readonly number[]][] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
]

/** Rejects what is known and not supported; what is not known is taken to be a plain tar. */
export function sniff(head: Buffer): Compression {
  const name = magics.find(([, bytes]) => bytes.every((byte, i) => head[i] === byte))?.[0] ?? 'none'
  if (name === 'xz' || name === 'bzip2') {
    throw invalid(
      'compression_unsupported',
      `${name} compression is not supported: compress with gzip or zstd, or not at all`,
    )
  }
  return name as Compression
}

export function decompressor(compression: 'gzip' | 'zstd'): Transform {
  const options = { chunkSize: 256 * KiB }
  return compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options)
}

/** Throws when what came out is out of all proportion to what went in. */
export function checkRatio(bytesIn: number, bytesOut: number): void {
  if (bytesOut > compressionAllowanceBytes + bytesIn * compressionRatioMax) {
    throw invalid(
      'compression_ratio',
      `the archive is compressed more than ${compressionRatioMax} to 1, which no image needs: it is refused as a decompression bomb`,
    )
  }
}
