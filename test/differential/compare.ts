/**
 * In what two answers to the same request differ: status, Content-Type, the message of an error, and whether every key
 * that dockerd has is there with the same type. Keys that only ours has are newer than dockerd's version, and no difference.
 */
import { type Case, isCompared, type Step } from './case.ts'
import { type Answer, jsonOf } from './peer.ts'

/** One line each, as src/api/support/differences.json lists them. */
/** Of what containers and images are stored in, which is no client's business. */
const ofTheDaemon = ['GraphDriver.Data.']

export function differences({ steps }: Case, theirs: readonly Answer[], ours: readonly Answer[]): string[] {
  const compared = steps.filter(isCompared)
  return compared.flatMap((step, n) => {
    const where = compared.length > 1 ? `step ${n + 1}: ` : ''
    return answerDifferences(theirs[n]!, ours[n]!, step).map((line) => where + line)
  })
}

function answerDifferences(theirs: Answer, ours: Answer, { values = [], besides = [] }: Step): string[] {
  const found: string[] = []
  if (theirs.status !== ours.status) {
    found.push(`${theirs.status}${said(theirs)} → ${ours.status}${said(ours)}`)
  } else if (theirs.status >= 400 && said(theirs).toLowerCase() !== said(ours).toLowerCase()) {
    found.push(`${theirs.status}${said(theirs)} →${said(ours)}`)
  }
  // With another status it is another answer, of another type.
  if (theirs.status !== ours.status) return found
  if (theirs.type !== ours.type) {
    found.push(`Content-Type ${theirs.type || '(none)'} → ${ours.type || '(none)'}`)
  }
  const [a, b] = [jsonOf(theirs), jsonOf(ours)]
  if (a === undefined && b === undefined) {
    if ((theirs.text === '') !== (ours.text === '')) {
      found.push(`body ${brief(theirs.text)} → ${brief(ours.text)}`)
    }
  } else if (theirs.status < 400) {
    found.push(
      ...shapeDifferences(a, b, '').filter(
        (line) => ![...besides, ...ofTheDaemon].some((path) => line.startsWith(path)),
      ),
    )
  }
  for (const path of values) {
    const [x, y] = [mask(at(a, path)), mask(at(b, path))]
    if (x !== y) found.push(`${path}: ${x} → ${y}`)
  }
  return found
}

const brief = (text: string) => (text === '' ? '(empty)' : JSON.stringify(mask(text)).slice(0, 80))

/** The message of an error, without what no two daemons have in common. */
function said(answer: Answer): string {
  if (answer.status === 0) return ' (no answer)'
  if (answer.status < 400) return ''
  const json = jsonOf(answer) as { message?: unknown } | null | undefined
  return ` ${typeof json?.message === 'string' ? mask(json.message) : `(text) ${mask(answer.text)}`}`
}

function mask(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(sorted(value)) ?? 'missing')
  return text
    .trim()
    .replace(/[0-9a-f]{64}/g, '(id)')
    .replace(/\b[0-9a-f]{12}\b/g, '(id)')
    .replace(/\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/g, '(address)')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, '(time)')
    .replace(/\/var\/tmp\/hummingbird-dockerd-\d+/g, '(root)')
    .replace(/(:)\d{5}\b/g, '$1(port)')
    .replace(
      /from 0\.01 to [\d.]+, as there are only \d+ CPUs/,
      'from 0.01 to (n), as there are only (n) CPUs',
    )
    .replace(/(provided prefix: )[0-9a-f]+/, '$1(prefix)')
    .replace(/\bcase\d+\b/g, '(name)')
}

/** The order of keys tells nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}

function typeOf(value: unknown): string {
  if (value === undefined) return 'missing'
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

const fullness = (list: readonly unknown[]) => (list.length === 0 ? 'empty' : 'not empty')

/** Of an array one element stands for all: the first, or of what has names the first that both have. */
function shapeDifferences(theirs: unknown, ours: unknown, path: string): string[] {
  const [a, b] = [typeOf(theirs), typeOf(ours)]
  const where = path || 'body'
  if (a !== b) return [`${mask(where)}: ${a} → ${b}`]
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    const [x, y] = [fullness(theirs), fullness(ours)]
    if (x !== y) return [`${mask(where)}: ${x} → ${y}`]
    const [left, right] = counterparts(theirs, ours)
    return theirs.length === 0 ? [] : shapeDifferences(left, right, `${path}[]`)
  }
  if (a !== 'object') return []
  const right = byCommonKeys(ours as object)
  return [...byCommonKeys(theirs as object)].flatMap(([key, value]) =>
    shapeDifferences(value, right.get(key), path === '' ? key : `${path}.${key}`),
  )
}

function counterparts(theirs: readonly unknown[], ours: readonly unknown[]): readonly [unknown, unknown] {
  const nameOf = (value: unknown) => (value as { Name?: unknown } | null)?.Name
  const both = theirs.filter((left) => ours.some((right) => nameOf(left) === nameOf(right)))
  const names = both.map(nameOf).filter((name) => typeof name === 'string')
  const [first] = names.sort()
  if (first === undefined) return [theirs[0], ours[0]]
  const named = (list: readonly unknown[]) => list.find((value) => nameOf(value) === first)
  return [named(theirs), named(ours)]
}

/** Keys that are ids are another daemon's others: the first of them stands for all. */
function byCommonKeys(object: object): Map<string, unknown> {
  const known = new Map<string, unknown>()
  for (const [key, value] of Object.entries(object)) {
    const common = /^[0-9a-f]{64}$/.test(key) ? '(id)' : key
    if (!known.has(common)) known.set(common, value)
  }
  return known
}

function at(value: unknown, path: string): unknown {
  const inner = (found: unknown, key: string) =>
    (found as Readonly<Record<string, unknown>> | null | undefined)?.[key]
  return path.split('.').reduce(inner, value)
}
