/**
 * Docker's `filters`: JSON in two forms, `{"label":{"a=b":true}}` and the older `{"label":["a=b"]}`. Values of one name
 * are alternatives, except labels, which must all be there; different names must all match.
 */
import { z } from 'zod'
import { invalid } from '../../lib/errors.ts'
import { matchesSomewhere } from './linear-regexp.ts'
import { clip } from './query.ts'

const schema = z.record(z.string(), z.union([z.array(z.string()), z.record(z.string(), z.boolean())]))
/** Each is looked at for every object of a list. */
const valuesMax = 256

export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>

  /** Throws kind `invalid` in dockerd's words when the text is no filter, or names one that is not `accepted`. */
  constructor(json: string, accepted: readonly string[]) {
    this.#values = parse(json)
    for (const name of this.#values.keys()) {
      if (!accepted.includes(name)) throw invalidFilter(name)
    }
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  get(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  /** No such filter, or one of its values is `value`. */
  allows(name: string, value: string): boolean {
    return !this.has(name) || this.get(name).includes(value)
  }

  /** No such filter, or one of its values is found in one of `texts` as a regular expression. */
  allowsPattern(name: string, texts: readonly string[]): boolean {
    if (!this.has(name)) return true
    return this.get(name).some((pattern) =>
      texts.some((text) => text === pattern || matchesSomewhere(pattern, text)),
    )
  }

  /** No such filter, or one of its values is a beginning of `text`. */
  allowsPrefix(name: string, texts: readonly string[]): boolean {
    return !this.has(name) || this.get(name).some((value) => texts.some((text) => text.startsWith(value)))
  }

  /** Every `key` or `key=value` is among the labels. */
  allowsLabels(labels: Readonly<Record<string, string>>, name = 'label'): boolean {
    return this.get(name).every((wanted) => hasLabel(labels, wanted))
  }

  /** For prune: none of `label!` is among the labels. */
  allowsWithoutLabels(labels: Readonly<Record<string, string>>): boolean {
    return !this.get('label!').some((unwanted) => hasLabel(labels, unwanted))
  }

  /** undefined when absent. */
  boolean(name: string): boolean | undefined {
    if (!this.has(name)) return undefined
    const values = this.get(name)
    const truth =
      values.length > 0 && values.every((value) => value === '1' || value.toLowerCase() === 'true')
    const lie = values.length > 0 && values.every((value) => value === '0' || value.toLowerCase() === 'false')
    if (!truth && !lie) throw invalidFilter(name, values)
    return truth
  }

  /** Each value must be one of `known`. */
  oneOf(name: string, known: readonly string[]): readonly string[] {
    for (const value of this.get(name)) if (!known.includes(value)) throw invalidFilter(name, value)
    return this.get(name)
  }
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=')
  const key = equals < 0 ? wanted : wanted.slice(0, equals)
  if (!Object.hasOwn(labels, key)) return false
  return equals < 0 || labels[key] === wanted.slice(equals + 1)
}

export function invalidFilter(name: string, value?: string | readonly string[]) {
  const shown =
    value === undefined ? '' : `=${clip(typeof value === 'string' ? value : `[${value.join(' ')}]`)}`
  return invalid('invalid_filter', `invalid filter '${clip(name)}${shown}'`)
}

function parse(json: string): ReadonlyMap<string, readonly string[]> {
  if (json === '') return new Map()
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw invalid('invalid_filter', 'invalid filter')
  }
  const parsed = schema.nullable().safeParse(value)
  if (!parsed.success) throw invalid('invalid_filter', 'invalid filter')
  const filters = new Map<string, readonly string[]>()
  for (const [name, given] of Object.entries(parsed.data ?? {})) {
    const values = Array.isArray(given) ? given : Object.keys(given).filter((key) => given[key])
    if (values.length > valuesMax) {
      throw invalid('invalid_filter', `invalid filter '${clip(name)}': more than ${valuesMax} values`)
    }
    filters.set(name, values)
  }
  return filters
}
