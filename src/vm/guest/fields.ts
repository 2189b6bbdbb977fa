/**
 * Fields: a run of `tag u16, zero u16, length u32, bytes`; little-endian; a nested record is a field whose bytes are
 * fields. What comes from a guest is read with every length checked.
 */
import { internal } from '../../lib/errors.ts'

const headerBytes = 8

export class FieldWriter {
  readonly #parts: Buffer[] = []

  bytes(tag: number, value: Uint8Array): this {
    const header = Buffer.alloc(headerBytes)
    header.writeUInt16LE(tag, 0)
    header.writeUInt32LE(value.length, 4)
    this.#parts.push(header, Buffer.from(value.buffer, value.byteOffset, value.length))
    return this
  }

  text(tag: number, value: string): this {
    return this.bytes(tag, Buffer.from(value))
  }

  texts(tag: number, values: readonly string[]): this {
    for (const value of values) this.text(tag, value)
    return this
  }

  u32(tag: number, value: number): this {
    const buffer = Buffer.alloc(4)
    buffer.writeUInt32LE(value >>> 0)
    return this.bytes(tag, buffer)
  }

  bool(tag: number, value: boolean): this {
    return this.u32(tag, value ? 1 : 0)
  }

  u64(tag: number, value: number | bigint): this {
    const buffer = Buffer.alloc(8)
    buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
    return this.bytes(tag, buffer)
  }

  nested(tag: number, write: (fields: FieldWriter) => void): this {
    const fields = new FieldWriter()
    write(fields)
    return this.bytes(tag, fields.toBuffer())
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

const malformed = (what: string) => internal('bad_guest', `the guest sent ${what}`)

/** Reads what a guest wrote; absent numbers are 0 and absent texts empty. Throws code `bad_guest`. */
export class FieldReader {
  readonly #fields = new Map<number, Buffer[]>()

  constructor(data: Buffer) {
    for (let at = 0; at < data.length; ) {
      if (data.length - at < headerBytes) throw malformed('a field without a whole header')
      const tag = data.readUInt16LE(at)
      const length = data.readUInt32LE(at + 4)
      at += headerBytes
      if (length > data.length - at)
        throw malformed(`a field of ${length} bytes where ${data.length - at} are left`)
      const list = this.#fields.get(tag)
      if (list) list.push(data.subarray(at, at + length))
      else this.#fields.set(tag, [data.subarray(at, at + length)])
      at += length
    }
  }

  u32(tag: number): number {
    const value = this.#fields.get(tag)?.[0]
    if (!value) return 0
    if (value.length !== 4) throw malformed(`a number of ${value.length} bytes where 4 are due`)
    return value.readUInt32LE()
  }

  bool(tag: number): boolean {
    return this.u32(tag) !== 0
  }

  u64(tag: number): bigint {
    const value = this.#fields.get(tag)?.[0]
    if (!value) return 0n
    if (value.length !== 8) throw malformed(`a number of ${value.length} bytes where 8 are due`)
    return value.readBigUInt64LE()
  }

  /** An offset in a stream: no stream gets as long as what a double cannot count. */
  offset(tag: number): number {
    return safeOffset(this.u64(tag))
  }

  bytes(tag: number): Buffer {
    return this.#fields.get(tag)?.[0] ?? Buffer.alloc(0)
  }

  text(tag: number): string {
    return this.bytes(tag).toString('utf8')
  }

  nested(tag: number): FieldReader[] {
    return (this.#fields.get(tag) ?? []).map((value) => new FieldReader(value))
  }
}

export function safeOffset(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`the offset ${value}, which no stream reaches`)
  return Number(value)
}
