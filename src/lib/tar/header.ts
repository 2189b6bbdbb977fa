/**
 * One 512-byte tar header, in the dialects that images come in: POSIX (ustar, PAX), GNU and v7.
 *
 *       0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 type 1
 *     157 linkname 100 | 257 magic 8 | 265 uname 32 | 297 gname 32 | 329 devmajor 8 | 337 devminor 8
 *     345 prefix 155 (ustar), or from 386 four pieces of a sparse file, 482 more follow, 483 real size 12 (GNU)
 *
 * Written here, not taken from a library, because names and attributes are bytes: a reader that decodes them as UTF-8
 * damages `security.capability` and file names in older encodings, and none reads sparse files. Names are kept in
 * strings of one character a byte ('latin1').
 */
import { invalid } from '../errors.ts'

export const blockBytes = 512

export type EntryType =
  | 'file'
  | 'link'
  | 'symlink'
  | 'character'
  | 'block'
  | 'directory'
  | 'fifo'
  | 'sparse'
  | 'pax'
  | 'pax-global'
  | 'long-name'
  | 'long-link'

export interface RawHeader {
  name: string
  type: EntryType
  mode: number
  uid: number
  gid: number
  size: number
  mtime: number
  linkName: string
  deviceMajor: number
  deviceMinor: number
}

const types: Readonly<Record<string, EntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  // GNU's incremental dump of a directory: its content is a list of names.
  D: 'directory',
  S: 'sparse',
  x: 'pax',
  g: 'pax-global',
  L: 'long-name',
  K: 'long-link',
}

export const badTar = (message: string) => invalid('bad_archive', `archive/tar: ${message}`)

export const isZeroBlock = (block: Buffer): boolean => block.equals(zeros)
const zeros = Buffer.alloc(blockBytes)

export function decodeHeader(block: Buffer): RawHeader {
  checkSum(block)
  const flag = String.fromCharCode(block[156]!)
  const type = types[flag]
  if (type === undefined) throw badTar(`entries of type ${JSON.stringify(flag)} are not supported`)
  const magic = block.toString('latin1', 257, 263)
  const name = text(block, 0, 100)
  const prefix = magic === 'ustar\0' ? text(block, 345, 155) : ''
  const hasDevice = magic.startsWith('ustar') && (type === 'character' || type === 'block')
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    // Before POSIX, a directory was a file whose name ends in a slash.
    type: type === 'file' && name.endsWith('/') ? 'directory' : type,
    mode: number(block, 100, 8, 'mode') & 0o7777,
    uid: idNumber(number(block, 108, 8, 'uid'), 'uid'),
    gid: idNumber(number(block, 116, 8, 'gid'), 'gid'),
    size: sizeNumber(number(block, 124, 12, 'size'), 'size'),
    mtime: number(block, 136, 12, 'mtime'),
    linkName: text(block, 157, 100),
    deviceMajor: hasDevice ? number(block, 329, 8, 'devmajor') : 0,
    deviceMinor: hasDevice ? number(block, 337, 8, 'devminor') : 0,
  }
}

/** Old tars summed signed characters. */
function checkSum(block: Buffer): void {
  let unsigned = 8 * 0x20
  let signed = unsigned
  for (let i = 0; i < blockBytes; i++) {
    if (i === 148) i = 156
    const byte = block[i]!
    unsigned += byte
    signed += byte < 0x80 ? byte : byte - 0x100
  }
  const stated = number(block, 148, 8, 'checksum')
  if (stated !== unsigned && stated !== signed) throw badTar('invalid tar header')
}

function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset)
  return block.toString('latin1', offset, end < 0 || end > offset + length ? offset + length : end)
}

/** Octal digits, or with the high bit set, GNU's big-endian two's complement. */
export function number(block: Buffer, offset: number, length: number, what: string): number {
  const first = block[offset]!
  if (first & 0x80) return base256(block, offset, length, what)
  const digits = text(block, offset, length).trim()
  if (digits === '') return 0
  if (!/^[0-7]+$/.test(digits)) throw badTar(`invalid tar header: ${what} is not a number`)
  return Number.parseInt(digits, 8)
}

function base256(block: Buffer, offset: number, length: number, what: string): number {
  const negative = (block[offset]! & 0x40) !== 0
  let value = negative ? (block[offset]! | 0x80) - 0x100 : block[offset]! & 0x7f
  for (let i = 1; i < length; i++) value = value * 0x100 + block[offset + i]!
  if (!Number.isSafeInteger(value)) throw badTar(`invalid tar header: ${what} is out of range`)
  return value
}

export function sizeNumber(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw badTar(`invalid tar header: ${what} is out of range`)
  return value
}

export function idNumber(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > 0xffffffff) {
    throw badTar(`invalid tar header: ${what} is out of range`)
  }
  return value
}
