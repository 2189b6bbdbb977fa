/** HEALTHCHECK of a Dockerfile: `NONE`, or options and `CMD`. Times become nanoseconds, as Docker keeps them. */
import type { ImageConfig } from '../../engine/ports/images.ts'
import { invalid } from '../../lib/errors.ts'
import { jsonWords } from './words.ts'

const bad = (message: string) => invalid('bad_dockerfile', message)

export function parseHealthcheck(line: string): NonNullable<ImageConfig['Healthcheck']> {
  const flags: Record<string, number> = {}
  let rest = line
  for (let match = nextFlag(rest); match; match = nextFlag(rest)) {
    rest = rest.slice(match.length)
    flags[match.name] = match.value
  }
  const [, type, check] = /^(\S+)\s*(.*)$/s.exec(rest) ?? []
  if (type?.toUpperCase() === 'NONE') {
    if (check !== '') throw bad('HEALTHCHECK NONE takes no arguments')
    return { Test: ['NONE'] }
  }
  if (type?.toUpperCase() !== 'CMD')
    throw bad(`Unknown type ${JSON.stringify((type ?? '').toUpperCase())} in HEALTHCHECK (try CMD)`)
  if (check === '' || check === undefined) throw bad('Missing command after HEALTHCHECK CMD')
  const words = jsonWords(check)
  return { Test: words ? ['CMD', ...words] : ['CMD-SHELL', check], ...flags }
}

const fields: Readonly<Record<string, string>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
  retries: 'Retries',
}

function nextFlag(rest: string): { name: string; value: number; length: number } | null {
  const match = /^--([a-z-]+)=(\S+)\s*/.exec(rest)
  if (!match) return null
  const [all, flag, text] = match as unknown as [string, string, string]
  const name = Object.hasOwn(fields, flag) ? fields[flag]! : null
  if (name === null) throw bad(`Unknown flag: ${flag}`)
  const value = name === 'Retries' ? retries(text) : duration(text)
  return { name, value, length: all.length }
}

function retries(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1
  if (value < 0) throw bad(`--retries cannot be negative (${text})`)
  return value
}

const nanosOf: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** Go's durations: `1m30s`, `500ms`. */
export function duration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text) {
    throw bad(`time: invalid duration ${JSON.stringify(text)}`)
  }
  const nanos = Math.round(parts.reduce((sum, [, digits, unit]) => sum + Number(digits) * nanosOf[unit!]!, 0))
  if (nanos < 1e6 || !Number.isSafeInteger(nanos))
    throw bad(`Interval ${JSON.stringify(text)} cannot be less than 1ms`)
  return nanos
}
