/** Headers for the archives of `save`: short names of files, nothing else. */
import { blockBytes } from './header.ts'

const octalSizeMax = 8 ** 11 - 1

export function fileHeader(name: string, bytes: number): Buffer {
  if (name.length > 100) throw new RangeError(`${name} is too long for a plain tar header`)
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  block.write(name, 0, 'latin1')
  block.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100)
  if (bytes <= octalSizeMax) block.write(`${octal(bytes, 11)}\0`, 124)
  else {
    block[124] = 0x80
    block.writeBigUInt64BE(BigInt(bytes), 128)
  }
  block.write(`${octal(0, 11)}\0        0`, 136)
  block.write('ustar\x0000', 257, 'latin1')
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
    148,
  )
  return block
}

export const filePadding = (bytes: number): Buffer =>
  Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes)

export const archiveEnd = Buffer.alloc(2 * blockBytes)
