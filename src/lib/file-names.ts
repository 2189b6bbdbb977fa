/**
 * Names of files, which are bytes, as text: UTF-8 where they are that. A byte that is no part of it becomes U+DC80 to U+DCFF,
 * which UTF-8 has no way to write, so that every name comes back as it was and no two become the same.
 */
import { isUtf8 } from 'node:buffer'

const escapeBase = 0xdc00

export function nameOfBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let name = ''
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    name +=
      length > 0
        ? bytes.toString('utf8', at, at + length)
        : String.fromCharCode(escapeBase + bytes.readUInt8(at))
    at += Math.max(length, 1)
  }
  return name
}

export function bytesOfName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name)
  const parts: Buffer[] = []
  for (const character of name) {
    const code = character.charCodeAt(0)
    const isByte = character.length === 1 && code >= escapeBase + 0x80 && code <= escapeBase + 0xff
    parts.push(isByte ? Buffer.from([code - escapeBase]) : Buffer.from(character))
  }
  return Buffer.concat(parts)
}

/** Of the UTF-8 character at `at`; 0 when there is none. */
function characterLength(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(at, at + length))) return length
  }
  return 0
}
