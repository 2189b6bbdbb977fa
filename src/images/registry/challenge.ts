/** `WWW-Authenticate: Bearer realm="…",service="…",scope="…", Basic realm="…"` */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/

/** What cannot be read ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  let rest = header.trim()
  while (rest !== '') {
    const word = token.exec(rest)?.[0]
    if (word === undefined) break
    rest = rest.slice(word.length)
    const value = parameterValue(rest)
    if (value && challenges.length > 0) {
      challenges.at(-1)!.parameters[word.toLowerCase()] = value.text
      rest = rest.slice(value.length)
    } else challenges.push({ scheme: word.toLowerCase(), parameters: Object.create(null) })
    rest = rest.replace(/^[\s,]+/, '')
  }
  return challenges
}

function parameterValue(rest: string): { text: string; length: number } | null {
  const quoted = /^\s*=\s*"((?:[^"\\]|\\.)*)"/.exec(rest)
  if (quoted) return { text: quoted[1]!.replaceAll(/\\(.)/g, '$1'), length: quoted[0].length }
  const plain = /^\s*=\s*([^\s,"]+)/.exec(rest)
  return plain ? { text: plain[1]!, length: plain[0].length } : null
}
