/** What compression bytes are in, by their first bytes, and the way out of it. */
import { open } from 'node:fs/promises'
import { Readable, type Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { HummingbirdError, invalid, messageOf } from './errors.ts'
import { KiB, MiB } from './units.ts'

/** Deflate cannot pass 1032:1, and honest layers stay under 20:1; the allowance lets small ones of zeros through. */
const compressionRatioMax = 200
const compressionAllowanceBytes = 64 * MiB

export type Compression = 'none' | 'gzip' | 'zstd'

/** What `sniff` needs to see, if there is as much. */
const magicBytes = 6

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

export async function sniffFile(path: string): Promise<Compression> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(magicBytes), 0, magicBytes, 0)
    return sniff(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
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

/** The bytes of `source`, decompressed if they are compressed. Rejects with kind `invalid` what cannot be. */
export async function* decompressed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]()
  try {
    let head = Buffer.alloc(0)
    let over = false
    while (!over && head.length < magicBytes) {
      const { value, done } = await chunks.next()
      over = done === true
      if (!over) head = Buffer.concat([head, value])
    }
    const compression = sniff(head)
    const rest = concatenate(head, chunks)
    if (compression === 'none') yield* rest
    else yield* inflate(rest, compression)
  } finally {
    await chunks.return?.()
  }
}

async function* concatenate(head: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
}

async function* inflate(source: AsyncIterable<Buffer>, compression: 'gzip' | 'zstd'): AsyncGenerator<Buffer> {
  let bytesIn = 0
  let bytesOut = 0
  const counted = async function* () {
    for await (const chunk of source) {
      bytesIn += chunk.length
      yield chunk
    }
  }
  const input = Readable.from(counted(), { objectMode: false })
  const output = input.pipe(decompressor(compression))
  input.on('error', (error) => output.destroy(error))
  try {
    for await (const chunk of output as AsyncIterable<Buffer>) {
      bytesOut += chunk.length
      checkRatio(bytesIn, bytesOut)
      yield chunk
    }
  } catch (error) {
    throw asCompressionError(error)
  } finally {
    input.destroy()
  }
}

/** What zlib and zstd reject is the archive's fault. */
export function asCompressionError(error: unknown): unknown {
  const code = String((error as { code?: unknown }).code ?? '')
  if (error instanceof HummingbirdError || !/^(Z_|ZSTD_)/.test(code)) return error
  return invalid('bad_archive', `the archive cannot be decompressed: ${messageOf(error)}`)
}
