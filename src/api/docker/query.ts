/** Query parameters as dockerd reads them. Every parameter arrives as the list of its values; the first one counts. */
import { z } from 'zod'
import { invalid } from '../../lib/errors.ts'

const values = z.array(z.string()).optional()

/** '' when absent. */
export const text = values.transform((list) => list?.[0] ?? '')

/** All values. */
export const list = values.transform((list) => list ?? [])

const falseWords = new Set(['', '0', 'no', 'false', 'none'])
const isTrue = (value: string): boolean => !falseWords.has(value.trim().toLowerCase())

/** `1`, `true` and `True` are true, as is every word but those that say no. */
export const flag = values.transform((list) => isTrue(list?.[0] ?? ''))

/** A flag that is true when absent. */
export const flagOn = values.transform((list) => (list?.[0] === undefined ? true : isTrue(list[0])))

/** undefined when absent or empty. */
export function integer(min: number, max: number) {
  return values.transform((list, context) => {
    const value = list?.[0]
    if (value === undefined || value === '') return undefined
    const number = Number(value)
    if (/^[+-]?\d+$/.test(value) && number >= min && number <= max) return number
    context.addIssue({ code: 'custom', message: `"${clip(value)}" is not an integer from ${min} to ${max}` })
    return z.NEVER
  })
}

/** Seconds since 1970 with an optional fraction, as clients send every time; in nanoseconds, null when absent. */
export const timestamp = values.transform((list, context) => {
  const value = list?.[0]
  if (value === undefined || value === '') return null
  const nanos = parseTimestamp(value)
  if (nanos !== null) return nanos
  context.addIssue({
    code: 'custom',
    message: `"${clip(value)}" is not a time in seconds since 1970 (such as 1700000000.5)`,
  })
  return z.NEVER
})

export function parseTimestamp(value: string): bigint | null {
  const match = /^(-?\d{1,15})(?:\.(\d{1,9})\d*)?$/.exec(value)
  if (!match) return null
  const seconds = BigInt(match[1]!)
  const nanos = BigInt((match[2] ?? '').padEnd(9, '0'))
  return seconds * 1_000_000_000n + nanos
}

/** Terminals have unsigned 16-bit sizes. */
export const terminalSizeMax = 65_535

const size = integer(0, terminalSizeMax)

/** Of resize. */
export const terminalSizes = z.looseObject({ h: size, w: size })

/** Both have to be there. */
export function terminalSizeOf({ h, w }: z.output<typeof terminalSizes>): { rows: number; columns: number } {
  if (h === undefined || w === undefined) {
    const name = h === undefined ? 'h' : 'w'
    throw invalid(
      'bad_request',
      `invalid query: ${name}: it is missing: an integer from 0 to ${terminalSizeMax}`,
    )
  }
  return { rows: h, columns: w }
}

export const clip = (value: string): string => (value.length > 100 ? `${value.slice(0, 100)}…` : value)

/** Rejects what would make no sense further on and is easily sent. */
export function refuseIf(wrong: boolean, message: string): void {
  if (wrong) throw invalid('bad_request', message)
}
