/**
 * Headers of entries of every kind, as POSIX has them: what a plain header has no room for goes into a PAX header before it.
 * Names are strings of one character a byte, as the reader's.
 */
import { blockBytes } from './header.ts'
import type { TarEntry } from './reader.ts'

const flags: Readonly<Record<TarEntry['type'], string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}

const nameBytesMax = 100
const octalMax = (digits: number) => 8 ** digits - 1
const isPlain = (name: string) => name.length <= nameBytesMax && /^[\x20-\x7e]*$/.test(name)

/** What must be known of an entry to write it. */
export type NewTarEntry = Omit<TarEntry, 'dataOffset'>

/** The header, with what must come before it; `size` bytes and `filePadding` follow. */
export function encodeHeader(entry: NewTarEntry): Buffer {
  const records = paxRecords(entry)
  const header = plainHeader(entry, flags[entry.type], entry.size)
  if (records.length === 0) return header
  const data = Buffer.concat(records)
  const pax = plainHeader({ ...entry, name: 'PaxHeaders.0/entry', linkName: '', mtime: 0 }, 'x', data.length)
  const padding = Buffer.alloc((blockBytes - (data.length % blockBytes)) % blockBytes)
  return Buffer.concat([pax, data, padding, header])
}

function paxRecords(entry: NewTarEntry): Buffer[] {
  const records: Buffer[] = []
  const add = (key: string, value: string | Buffer) => records.push(paxRecord(key, value))
  if (!isPlain(entry.name)) add('path', entry.name)
  if (!isPlain(entry.linkName)) add('linkpath', entry.linkName)
  if (entry.uid > octalMax(7)) add('uid', String(entry.uid))
  if (entry.gid > octalMax(7)) add('gid', String(entry.gid))
  if (entry.size > octalMax(11)) add('size', String(entry.size))
  if (entry.mtime < 0 || entry.mtime > octalMax(11)) add('mtime', String(entry.mtime))
  for (const [name, value] of entry.xattrs) add(`SCHILY.xattr.${name}`, value)
  return records
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
  const rest = key.length + bytes.length + 3
  let length = rest + String(rest).length
  if (rest + String(length).length !== length) length++
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), bytes, Buffer.from('\n')])
}

function plainHeader(entry: NewTarEntry, flag: string, size: number): Buffer {
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, at: number, digits: number) =>
    block.write(`${fit(value, digits).toString(8).padStart(digits, '0')}\0`, at)
  block.write(entry.name.slice(0, nameBytesMax), 0, 'latin1')
  octal(entry.mode, 100, 7)
  octal(entry.uid, 108, 7)
  octal(entry.gid, 116, 7)
  octal(size, 124, 11)
  octal(entry.mtime, 136, 11)
  block.write(`        ${flag}`, 148)
  block.write(entry.linkName.slice(0, nameBytesMax), 157, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  octal(entry.deviceMajor, 329, 7)
  octal(entry.deviceMinor, 337, 7)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** What does not fit is in the PAX header, which counts. */
const fit = (value: number, digits: number): number => (value < 0 || value > octalMax(digits) ? 0 : value)
