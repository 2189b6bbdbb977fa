/** Makes tars for tests, right ones and wrong ones: every field can be lied about. */

export interface TestEntry {
  name: string | Buffer
  /** The flag of the header; '0', a file, by default. */
  type?: string
  data?: Buffer | string
  mode?: number
  uid?: number
  gid?: number
  mtime?: number
  link?: string | Buffer
  device?: [major: number, minor: number]
  /** Said in the header instead of the data's size. */
  size?: number | Buffer
  pax?: Record<string, string | Buffer> | [key: string, value: string | Buffer][] | undefined
  /** PAX records as they are. */
  paxRaw?: Buffer
  magic?: string
  checksum?: number
  /** Changes the header before it is summed. */
  patch?: (header: Buffer) => void
  /** Blocks between header and data, as old sparse files have. */
  extra?: Buffer
}

const pad = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)])
const bytes = (text: string | Buffer): Buffer => (typeof text === 'string' ? Buffer.from(text) : text)
const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`

function header(entry: TestEntry, name: Buffer, dataBytes: number): Buffer {
  const block = Buffer.alloc(512)
  name.copy(block, 0, 0, 100)
  block.write(octal(entry.mode ?? 0o644, 7), 100)
  block.write(octal(entry.uid ?? 0, 7), 108)
  block.write(octal(entry.gid ?? 0, 7), 116)
  if (Buffer.isBuffer(entry.size)) entry.size.copy(block, 124, 0, 12)
  else block.write(octal(entry.size ?? dataBytes, 11), 124)
  block.write(octal(entry.mtime ?? 0, 11), 136)
  block.write(entry.type ?? '0', 156, 'latin1')
  bytes(entry.link ?? '').copy(block, 157, 0, 100)
  block.write(entry.magic ?? 'ustar\x0000', 257, 'latin1')
  if (entry.device) {
    block.write(octal(entry.device[0], 7), 329)
    block.write(octal(entry.device[1], 7), 337)
  }
  entry.patch?.(block)
  block.write('        ', 148)
  block.write(`${octal(entry.checksum ?? block.reduce((sum, byte) => sum + byte, 0), 6)} `, 148)
  return block
}

export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytes(value), Buffer.from('\n')])
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** One entry with what it needs before it. */
export function tarEntry(entry: TestEntry): Buffer {
  const name = bytes(entry.name)
  const data = bytes(entry.data ?? '')
  const records = Array.isArray(entry.pax) ? entry.pax : Object.entries(entry.pax ?? {})
  const pax = Buffer.concat([
    ...records.map(([key, value]) => paxRecord(key, value)),
    entry.paxRaw ?? Buffer.alloc(0),
  ])
  const link = bytes(entry.link ?? '')
  const parts: Buffer[] = []
  const long = (type: string, text: Buffer) => {
    const ended = Buffer.concat([text, Buffer.alloc(1)])
    parts.push(
      header({ name: '././@LongLink', type, magic: 'ustar  \0' }, Buffer.from('././@LongLink'), ended.length),
      pad(ended),
    )
  }
  if (name.length > 100) long('L', name)
  if (link.length > 100) long('K', link)
  if (pax.length > 0) parts.push(header({ name: 'pax', type: 'x' }, Buffer.from('pax'), pax.length), pad(pax))
  parts.push(header(entry, name, data.length), entry.extra ?? Buffer.alloc(0), pad(data))
  return Buffer.concat(parts)
}

export const tarEnd = Buffer.alloc(1024)

export const tar = (...entries: TestEntry[]): Buffer => Buffer.concat([...entries.map(tarEntry), tarEnd])

/** A number as GNU writes those that octal digits have no room for. */
export function base256(value: bigint, bytesCount = 12): Buffer {
  const buffer = Buffer.alloc(bytesCount)
  for (let i = bytesCount - 1, rest = value; i >= 0; i--, rest >>= 8n) buffer[i] = Number(rest & 0xffn)
  buffer[0] = buffer[0]! | 0x80
  return buffer
}
