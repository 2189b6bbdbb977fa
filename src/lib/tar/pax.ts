/** PAX records, `LENGTH KEY=VALUE\n`, kept in order: the oldest way to write a sparse file repeats its keys. */
import { badTar } from './header.ts'

export interface PaxRecord {
  readonly key: string
  readonly value: Buffer
}

/** Keys whose values are C strings in the end. */
const withoutNul = new Set(['path', 'linkpath', 'GNU.sparse.name'])

export function decodePax(data: Buffer): PaxRecord[] {
  const records: PaxRecord[] = []
  for (let start = 0; start < data.length; ) {
    const space = data.indexOf(0x20, start)
    const digits = space < 0 || space - start > 8 ? '' : data.toString('latin1', start, space)
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0
    const end = start + length
    const equals = data.indexOf(0x3d, space)
    if (length === 0 || end > data.length || data[end - 1] !== 0x0a || equals <= space + 1 || equals >= end) {
      throw badTar('invalid PAX record')
    }
    const key = data.toString('latin1', space + 1, equals)
    const value = data.subarray(equals + 1, end - 1)
    if (key.includes('\0') || (withoutNul.has(key) && value.includes(0))) throw badTar('invalid PAX record')
    records.push({ key, value })
    start = end
  }
  return records
}

export function paxInteger({ key, value }: PaxRecord): number {
  const digits = value.toString('latin1')
  if (!/^[0-9]{1,16}$/.test(digits) || !Number.isSafeInteger(Number(digits))) {
    throw badTar(`invalid PAX record: ${key} is not a number`)
  }
  return Number(digits)
}

/** Seconds; what is after the point is dropped, as squashfs has no room for it. */
export function paxTime({ key, value }: PaxRecord): number {
  const digits = value.toString('latin1')
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(digits)) throw badTar(`invalid PAX record: ${key} is not a time`)
  return Math.floor(Number(digits))
}
