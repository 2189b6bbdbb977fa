/** Words of a Dockerfile line: quotes, escapes, and variables as its instructions know them. */
import { HummingbirdError, invalid } from '../../lib/errors.ts'
import { KiB } from '../../lib/units.ts'

/** A backslash, or a backtick where a Dockerfile says `# escape=`. */
export type Escape = '\\' | '`'

/** Linux takes no longer argument or variable; without a bound, a few lines of `ENV A=$A$A` fill any memory. */
const expandedLengthMax = 128 * KiB
/** Of a word in an error. */
const shownLengthMax = 200
/** `${a:-${b:-…}}` goes as deep as the stack otherwise. */
const nestingMax = 100

const bad = (message: string) => invalid('bad_dockerfile', message)

/** Splits at spaces outside quotes; quotes and escapes stay for `expand`. */
export function splitWords(line: string, escapeToken: Escape = '\\'): string[] {
  const words: string[] = []
  let word = ''
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!
    if (c === escapeToken && quote !== "'" && i + 1 < line.length) {
      word += c + line[++i]!
    } else if (quote !== '') {
      word += c
      if (c === quote) quote = ''
    } else if (c === '"' || c === "'") {
      quote = c
      word += c
    } else if (/\s/.test(c)) {
      if (word !== '') words.push(word)
      word = ''
    } else word += c
  }
  if (word !== '') words.push(word)
  return words
}

export interface Scope {
  /** `NAME=value`; the last of a name counts. */
  readonly env: readonly string[]
  readonly escapeToken?: Escape
}

/**
 * Takes quotes and escapes away and puts variables in: `$X`, `${X}`, `${X:-default}`, `${X:+instead}`, `${X:?complaint}`, and
 * these without the colon, which take an empty value for one.
 */
export function expand(word: string, scope: Scope): string {
  try {
    return new Expansion(word, scope).upTo('')
  } catch (error) {
    if (!(error instanceof HummingbirdError)) throw error
    const shown = JSON.stringify(word.length > shownLengthMax ? `${word.slice(0, shownLengthMax)}…` : word)
    throw bad(`failed to process ${shown}: ${error.message}`)
  }
}

class Expansion {
  readonly #text: string
  readonly #env: readonly string[]
  readonly #escapeToken: Escape
  #at = 0
  #depth = 0

  constructor(text: string, { env, escapeToken = '\\' }: Scope) {
    this.#text = text
    this.#env = env
    this.#escapeToken = escapeToken
  }

  /** To the end of the word (''), or past a closing brace. */
  upTo(stop: '' | '}'): string {
    let out = ''
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at++]!
      if (c === stop) return out
      if (c === "'") out += this.#singleQuoted()
      else if (c === '"') out += this.#doubleQuoted()
      else if (c === '$') out += this.#variable()
      else if (c === this.#escapeToken && this.#at === this.#text.length) break
      else out += c === this.#escapeToken ? this.#text[this.#at++]! : c
      if (out.length > expandedLengthMax) throw bad(`a word has more than ${expandedLengthMax} characters`)
    }
    if (stop !== '') throw bad("syntax error: missing '}'")
    return out
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at)
    if (end < 0) throw bad('unexpected end of statement while looking for matching single-quote')
    const inside = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return inside
  }

  /** Within double quotes an escape only works on what would be special. */
  #doubleQuoted(): string {
    let out = ''
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at++]!
      if (c === '"') return out
      if (c === '$') out += this.#variable()
      else if (
        c === this.#escapeToken &&
        ['"', '$', this.#escapeToken].includes(this.#text[this.#at] ?? '')
      ) {
        out += this.#text[this.#at++]!
      } else out += c
      if (out.length > expandedLengthMax) throw bad(`a word has more than ${expandedLengthMax} characters`)
    }
    throw bad('unexpected end of statement while looking for matching double-quote')
  }

  #variable(): string {
    if (this.#text[this.#at] === '{') return this.#braced()
    const name = this.#name()
    return name === '' ? '$' : (this.#value(name) ?? '')
  }

  #braced(): string {
    this.#at++
    const first = this.#text[this.#at]
    if (first === undefined) throw bad("syntax error: missing '}'")
    if ('{}:'.includes(first)) throw bad('syntax error: bad substitution')
    const name = this.#name()
    const value = this.#value(name)
    const c = this.#text[this.#at++]
    if (c === '}') return value ?? ''
    const modifier = c === ':' ? this.#text[this.#at++] : c
    if (modifier === undefined || !'-+?'.includes(modifier)) {
      throw bad(`unsupported modifier (${modifier ?? ''}) in substitution`)
    }
    if (++this.#depth > nestingMax) throw bad('syntax error: substitutions are nested too deep')
    const word = this.upTo('}')
    this.#depth--
    const isSet = c === ':' ? (value ?? '') !== '' : value !== undefined
    if (modifier === '+') return isSet ? word : ''
    if (isSet) return value!
    if (modifier === '-') return word
    throw bad(`${name}: ${word === '' ? 'parameter is not set' : word}`)
  }

  /** A name, or one of the shell's own one-letter variables, which are never set here. */
  #name(): string {
    const name = /^(?:[A-Za-z_]\w*|[0-9@*#?$!-])/.exec(this.#text.slice(this.#at, this.#at + 256))?.[0] ?? ''
    this.#at += name.length
    return name
  }

  #value(name: string): string | undefined {
    return this.#env.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1)
  }
}

/** `["a", "b"]`, or null when it is not that. Rejects an array of anything but strings, as dockerd. */
export function jsonWords(rest: string): string[] | null {
  if (!rest.startsWith('[')) return null
  let value: unknown
  try {
    value = JSON.parse(rest)
  } catch {
    return null
  }
  if (!Array.isArray(value)) return null
  if (value.every((word) => typeof word === 'string')) return value
  throw bad('when using JSON array syntax, arrays must be comprised of strings only')
}
