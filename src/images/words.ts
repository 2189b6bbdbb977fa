/** Words of a Dockerfile line: quotes, backslashes, and variables as its instructions know them. */
import { invalid } from '../lib/errors.ts'

/** Splits at spaces outside quotes; quotes and escapes stay for `expand`. */
export function splitWords(line: string): string[] {
  const words: string[] = []
  let word = ''
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!
    if (c === '\\' && quote !== "'" && i + 1 < line.length) {
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

/** Takes quotes and escapes away and puts variables in: `$X`, `${X}`, `${X:-default}`, `${X:+instead}`. */
export function expand(word: string, env: readonly string[]): string {
  let out = ''
  let quote = ''
  for (let i = 0; i < word.length; i++) {
    const c = word[i]!
    if (c === '\\' && quote !== "'" && i + 1 < word.length) {
      const next = word[++i]!
      // Within double quotes a backslash only escapes what would be special.
      out += quote === '"' && !['"', '$', '\\'].includes(next) ? c + next : next
    } else if ((c === '"' || c === "'") && (quote === '' || quote === c)) {
      quote = quote === '' ? c : ''
    } else if (c === '$' && quote !== "'") {
      const { value, length } = variable(word.slice(i + 1), env)
      out += value
      i += length
    } else out += c
  }
  if (quote !== '')
    throw invalid('bad_change', `unexpected end of statement while looking for matching ${quote}`)
  return out
}

function variable(rest: string, env: readonly string[]): { value: string; length: number } {
  const lookUp = (name: string) =>
    env.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1)
  const plain = /^[A-Za-z_]\w*/.exec(rest)
  if (plain) return { value: lookUp(plain[0]) ?? '', length: plain[0].length }
  const braced = /^\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\}/.exec(rest)
  if (!braced) return { value: '$', length: 0 }
  const [all, name, sign, word] = braced as unknown as [
    string,
    string,
    string | undefined,
    string | undefined,
  ]
  const value = lookUp(name) ?? ''
  if (sign === '-' && value === '') return { value: word!, length: all.length }
  if (sign === '+') return { value: value === '' ? '' : word!, length: all.length }
  return { value, length: all.length }
}

/** `["a", "b"]`, or null when it is not that. */
export function jsonWords(rest: string): string[] | null {
  if (!rest.startsWith('[')) return null
  try {
    const value: unknown = JSON.parse(rest)
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : null
  } catch {
    return null
  }
}

export const command = (rest: string): string[] => jsonWords(rest) ?? ['/bin/sh', '-c', rest]
