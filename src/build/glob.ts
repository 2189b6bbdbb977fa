/** Patterns of COPY and ADD, by the rules of Go's filepath.Match: `*` and `?` stay within a name, `[a-z]`, `\x`. */
export const hasWildcards = (path: string): boolean => /[*?[]/.test(path.replace(/\\./g, ''))

type Token = { readonly type: 'star' } | { readonly type: 'one'; readonly matches: (c: string) => boolean }

/** One part of a path. What is no pattern matches nothing, as with dockerd. */
export function matcher(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(pattern)
  return (name) => tokens !== null && matches(tokens, name)
}

/** In linear steps: only the last star is ever taken up again. */
function matches(tokens: readonly Token[], name: string): boolean {
  let [at, taken] = [0, 0]
  let star = -1
  let resume = 0
  while (taken < name.length) {
    const token = tokens[at]
    if (token?.type === 'star') {
      star = at++
      resume = taken
    } else if (token?.type === 'one' && token.matches(name[taken]!)) {
      at++
      taken++
    } else if (star >= 0) {
      at = star + 1
      taken = ++resume
    } else return false
  }
  while (tokens[at]?.type === 'star') at++
  return at === tokens.length
}

/** null: it is wrong. */
function tokensOf(pattern: string): Token[] | null {
  const tokens: Token[] = []
  for (let i = 0; i < pattern.length; ) {
    const c = pattern[i++]!
    if (c === '*') tokens.push({ type: 'star' })
    else if (c === '?') tokens.push({ type: 'one', matches: () => true })
    else if (c === '[') {
      const found = classOf(pattern, i)
      if (!found) return null
      tokens.push(found.token)
      i = found.next
    } else {
      const literal = c === '\\' ? pattern[i++] : c
      if (literal === undefined) return null
      tokens.push({ type: 'one', matches: (other) => other === literal })
    }
  }
  return tokens
}

/** `a-z]`, `^a-z]`: what follows an opening bracket. */
function classOf(pattern: string, start: number): { token: Token; next: number } | null {
  const isNegated = pattern[start] === '^'
  const ranges: [low: string, high: string][] = []
  let i = isNegated ? start + 1 : start
  const take = (): string | null => {
    const c = pattern[i++]
    if (c === '-' || c === ']') return null
    return (c === '\\' ? pattern[i++] : c) ?? null
  }
  do {
    const low = take()
    if (low === null) return null
    if (pattern[i] !== '-') ranges.push([low, low])
    else {
      i++
      const high = take()
      if (high === null) return null
      ranges.push([low, high])
    }
  } while (pattern[i] !== ']')
  const isIn = (c: string) => ranges.some(([low, high]) => low <= c && c <= high)
  return { token: { type: 'one', matches: (c) => isIn(c) !== isNegated }, next: i + 1 }
}

/** Whether the last matching pattern of a .dockerignore takes a file at the context's root out. */
export function isIgnored(patterns: string, name: string): boolean {
  let ignored = false
  for (const line of patterns.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const isException = line.startsWith('!')
    const pattern = line
      .slice(isException ? 1 : 0)
      .trim()
      .replace(/^\/+|\/+$/g, '')
      .replace(/^(\*\*\/)+/, '')
    if (pattern === '**' || (pattern !== '' && matcher(pattern.replaceAll('**', '*'))(name)))
      ignored = !isException
  }
  return ignored
}
