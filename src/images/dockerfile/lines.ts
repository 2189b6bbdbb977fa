/**
 * A Dockerfile as lines: directives at the top, comments, continued lines. Read as dockerd does, character by character where
 * it matters: a comment within a continued line is left out, an empty line there only warned of.
 */
import { invalid } from '../../lib/errors.ts'
import { KiB } from '../../lib/units.ts'
import type { Escape } from './words.ts'

export interface DockerfileLine {
  /** Where it begins, from 1. */
  readonly line: number
  /** As it was written, in upper case. */
  readonly name: string
  readonly rest: string
  /** The whole of it, continued lines joined. */
  readonly source: string
}

export interface DockerfileLines {
  readonly escapeToken: Escape
  readonly lines: readonly DockerfileLine[]
  readonly warnings: readonly string[]
}

/** Held whole; Docker's own client reads no more. */
export const dockerfileBytesMax = 1024 * KiB
/** dockerd's: one line of it, before joining. */
const lineLengthMax = 65_535

export const atLine = (line: number, message: string) =>
  invalid('bad_dockerfile', `dockerfile parse error line ${line}: ${message}`)

export function readLines(text: string): DockerfileLines {
  const raw = text.replace(/^\uFEFF/, '').split('\n')
  const tooLong = raw.findIndex((line) => line.length > lineLengthMax)
  if (tooLong >= 0) {
    throw invalid(
      'bad_dockerfile',
      `dockerfile line greater than maximum allowed size of ${lineLengthMax}: line ${tooLong + 1}`,
    )
  }
  const escapeToken = escapeOf(raw)
  const lines: DockerfileLine[] = []
  const warnings: string[] = []
  for (let at = 0; at < raw.length; ) {
    const begin = at
    const first = raw[at++]!.trimStart()
    if (first === '' || first.startsWith('#')) continue
    let { part, isContinued } = continuation(first.replace(/\r$/, ''), escapeToken)
    const parts = [part]
    let hasEmpty = false
    while (isContinued && at < raw.length) {
      const next = raw[at++]!.replace(/\r$/, '')
      if (/^\s*#/.test(next)) continue
      if (next.trim() === '') {
        hasEmpty = true
        continue
      }
      ;({ part, isContinued } = continuation(next, escapeToken))
      parts.push(part)
    }
    const source = parts.join('').trim()
    if (source === '') continue
    if (hasEmpty) warnings.push(`[WARNING]: Empty continuation line found in:\n    ${source}`)
    const [, name, rest] = /^(\S+)\s*(.*)$/s.exec(source) as unknown as [string, string, string]
    lines.push({ line: begin + 1, name: name.toUpperCase(), rest, source })
  }
  if (warnings.length > 0) {
    warnings.push('[WARNING]: Empty continuation lines will become errors in a future release.')
  }
  if (lines.length === 0) throw invalid('bad_dockerfile', 'file with no instructions')
  return { escapeToken, lines, warnings }
}

/** An escape at the end goes on with the next line, unless it is itself escaped. */
function continuation(line: string, escapeToken: Escape): { part: string; isContinued: boolean } {
  const trimmed = line.replace(/[ \t]+$/, '')
  const isContinued = trimmed.endsWith(escapeToken) && trimmed.at(-2) !== escapeToken
  return isContinued ? { part: trimmed.slice(0, -1), isContinued } : { part: line, isContinued }
}

/** Directives end with the first line that is none. `syntax` names a frontend, which is a matter of BuildKit. */
function escapeOf(raw: readonly string[]): Escape {
  const seen = new Set<string>()
  let escapeToken: Escape = '\\'
  for (const [index, line] of raw.entries()) {
    const [, name = '', value = ''] = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line.trim()) ?? []
    const directive = name.toLowerCase()
    if (!['escape', 'syntax', 'check'].includes(directive)) return escapeToken
    if (seen.has(directive)) throw atLine(index + 1, `only one ${directive} parser directive can be used`)
    seen.add(directive)
    if (directive !== 'escape') continue
    if (value !== '\\' && value !== '`') {
      throw atLine(index + 1, `invalid ESCAPE '${value}'. Must be \` or \\`)
    }
    escapeToken = value
  }
  return escapeToken
}
