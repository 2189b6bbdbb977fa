/** One instruction of a Dockerfile, its parts told apart but not yet expanded: what is wrong with its form is said here. */
import type { ImageConfig } from '../../engine/ports/images.ts'
import { invalid } from '../../lib/errors.ts'
import { parseHealthcheck } from './healthcheck.ts'
import { type Escape, jsonWords, splitWords } from './words.ts'

export interface Pair {
  readonly key: string
  readonly value: string
}

/** What a command line is: words, or a line for the shell. */
export type CommandLine = { readonly words: readonly string[] } | { readonly line: string }

export interface CopyCommand {
  readonly name: 'COPY' | 'ADD'
  readonly sources: readonly string[]
  readonly target: string
  readonly from: string
  readonly chown: string
  readonly chmod: string
}

export type Command =
  | { readonly name: 'FROM'; readonly base: string; readonly stage: string; readonly platform: string }
  | {
      readonly name: 'ARG'
      readonly args: readonly { readonly key: string; readonly value: string | null }[]
    }
  | { readonly name: 'ENV' | 'LABEL'; readonly pairs: readonly Pair[] }
  | { readonly name: 'RUN'; readonly command: CommandLine }
  | { readonly name: 'CMD' | 'ENTRYPOINT'; readonly command: CommandLine }
  | { readonly name: 'SHELL' | 'EXPOSE' | 'VOLUME'; readonly words: readonly string[] }
  | { readonly name: 'USER' | 'STOPSIGNAL' | 'ONBUILD'; readonly text: string }
  | { readonly name: 'WORKDIR'; readonly text: string }
  | { readonly name: 'MAINTAINER'; readonly text: string }
  | { readonly name: 'HEALTHCHECK'; readonly check: NonNullable<ImageConfig['Healthcheck']> }
  | CopyCommand

export const bad = (message: string) => invalid('bad_dockerfile', message)

const names = [
  ...(['FROM', 'ARG', 'ENV', 'LABEL', 'RUN', 'CMD', 'ENTRYPOINT', 'SHELL', 'EXPOSE', 'VOLUME'] as const),
  ...(['WORKDIR', 'USER', 'STOPSIGNAL', 'MAINTAINER', 'ONBUILD', 'HEALTHCHECK', 'COPY', 'ADD'] as const),
] satisfies readonly Command['name'][]

export const isInstruction = (name: string): name is Command['name'] =>
  (names as readonly string[]).includes(name)

/** Rejects with kind `invalid` in dockerd's words. */
export function parseInstruction(name: string, given: string, escapeToken: Escape): Command {
  if (!isInstruction(name)) throw bad(`unknown instruction: ${name}`)
  const { flags, rest } = takeFlags(name, given)
  refuseHeredoc(name, rest)
  switch (name) {
    case 'FROM':
      return parseFrom(rest, flags.get('platform') ?? '')
    case 'ARG':
      return { name, args: parseArgs(rest, escapeToken) }
    case 'ENV':
    case 'LABEL':
      return { name, pairs: parsePairs(name, rest, escapeToken) }
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
      if (rest === '' && name === 'RUN') throw atLeastOne(name)
      return { name, command: parseCommandLine(name, rest) }
    case 'SHELL':
      return { name, words: parseShell(rest) }
    case 'EXPOSE':
      return { name, words: oneOrMore(name, spaced(rest)) }
    case 'VOLUME':
      return { name, words: parseVolumes(rest) }
    case 'WORKDIR':
    case 'USER':
    case 'STOPSIGNAL':
    case 'MAINTAINER':
      if (rest === '') throw bad(`${name} requires exactly one argument`)
      return { name, text: rest }
    case 'ONBUILD':
      return { name, text: checkTrigger(rest) }
    case 'HEALTHCHECK':
      if (rest === '') throw atLeastOne(name)
      return { name, check: parseHealthcheck(rest) }
    case 'COPY':
    case 'ADD':
      return parseCopy(name, rest, flags)
    default:
      return name satisfies never
  }
}

const atLeastOne = (name: string) => bad(`${name} requires at least one argument`)

const flagsOf: Partial<Record<Command['name'], readonly string[]>> = {
  FROM: ['platform'],
  COPY: ['from', 'chown', 'chmod'],
  ADD: ['chown', 'chmod'],
}
const flagsOfBuildKit: Partial<Record<Command['name'], readonly string[]>> = {
  RUN: ['mount', 'network', 'security', 'device'],
  COPY: ['link', 'parents', 'exclude'],
  ADD: ['link', 'checksum', 'keep-git-dir', 'exclude', 'unpack'],
}

/** `--name=value` before all else. HEALTHCHECK reads its own. */
function takeFlags(name: Command['name'], given: string): { flags: Map<string, string>; rest: string } {
  const flags = new Map<string, string>()
  let rest = given
  if (name === 'HEALTHCHECK' || name === 'ONBUILD') return { flags, rest }
  for (let match = nextFlag(rest); match; match = nextFlag(rest)) {
    rest = rest.slice(match[0].length)
    const [, flag, value] = match as unknown as [string, string, string | undefined]
    if (flagsOfBuildKit[name]?.includes(flag)) {
      throw bad(`the --${flag} option requires BuildKit, which is not supported: write the line without it`)
    }
    if (!flagsOf[name]?.includes(flag)) throw bad(`Unknown flag: ${flag}`)
    if (flags.has(flag)) throw bad(`Duplicate flag specified: ${flag}`)
    if (value === undefined) throw bad(`Missing a value on flag: ${flag}`)
    flags.set(flag, value)
  }
  return { flags, rest }
}

const nextFlag = (rest: string) => /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(rest)

function refuseHeredoc(name: Command['name'], rest: string): void {
  if (!['RUN', 'COPY', 'ADD'].includes(name) || !/(^|\s)\d*<<-?\s*(["']?)[A-Za-z_]\w*\2(\s|$)/.test(rest))
    return
  throw bad(
    `here-documents (<<) in ${name} require BuildKit, which is not supported: put the text into a file of the build context`,
  )
}

function parseFrom(rest: string, platform: string): Command {
  const words = spaced(rest)
  if (words.length === 1) return { name: 'FROM', base: words[0]!, stage: '', platform }
  if (words.length !== 3 || words[1]!.toUpperCase() !== 'AS') {
    throw bad('FROM requires either one or three arguments')
  }
  const stage = words[2]!.toLowerCase()
  if (!/^[a-z][a-z0-9-_.]*$/.test(stage)) {
    throw bad(
      `invalid name for build stage: ${JSON.stringify(words[2])}, name can't start with a number or contain symbols`,
    )
  }
  return { name: 'FROM', base: words[0]!, stage, platform }
}

function parseArgs(rest: string, escapeToken: Escape) {
  const words = splitWords(rest, escapeToken)
  if (words.length === 0) throw atLeastOne('ARG')
  return words.map((word) => {
    const equals = word.indexOf('=')
    if (equals === 0) throw bad('ARG names can not be blank')
    return equals < 0
      ? { key: word, value: null }
      : { key: word.slice(0, equals), value: word.slice(equals + 1) }
  })
}

/** `K=V K2="V 2"`, or the old `K V…`. */
function parsePairs(name: 'ENV' | 'LABEL', rest: string, escapeToken: Escape): Pair[] {
  const words = splitWords(rest, escapeToken)
  if (words.length === 0) throw atLeastOne(name)
  if (!words[0]!.includes('=')) {
    const [, key, value] = /^(\S+)\s+(.*)$/s.exec(rest) ?? []
    if (key === undefined) throw bad(`${name} must have two arguments`)
    return [{ key, value: value! }]
  }
  return words.map((word) => {
    const equals = word.indexOf('=')
    if (equals < 0)
      throw bad(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`)
    if (equals === 0) throw bad(`${name} names can not be blank`)
    return { key: word.slice(0, equals), value: word.slice(equals + 1) }
  })
}

function parseCommandLine(name: string, rest: string): CommandLine {
  const words = jsonWords(rest)
  if (words) return { words }
  if (rest === '') throw atLeastOne(name)
  return { line: rest }
}

function parseShell(rest: string): readonly string[] {
  if (rest === '') throw atLeastOne('SHELL')
  const words = jsonWords(rest)
  if (!words) throw bad('SHELL requires the arguments to be in JSON form')
  return oneOrMore('SHELL', words)
}

function oneOrMore(name: string, words: readonly string[]): readonly string[] {
  if (words.length === 0) throw atLeastOne(name)
  return words
}

function parseVolumes(rest: string): readonly string[] {
  const words = oneOrMore('VOLUME', jsonWords(rest) ?? spaced(rest))
  if (words.some((word) => word.trim() === '')) throw bad('VOLUME specified can not be an empty string')
  return words
}

/** As dockerd: at spaces, whatever quotes there are. */
const spaced = (rest: string): string[] => (rest === '' ? [] : rest.split(/\s+/))

function checkTrigger(rest: string): string {
  if (rest === '') throw atLeastOne('ONBUILD')
  const trigger = rest.split(/\s/)[0]!.toUpperCase()
  if (trigger === 'ONBUILD') throw bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
  if (trigger === 'FROM' || trigger === 'MAINTAINER')
    throw bad(`${trigger} isn't allowed as an ONBUILD trigger`)
  return rest
}

function parseCopy(name: 'COPY' | 'ADD', rest: string, flags: ReadonlyMap<string, string>): CopyCommand {
  const words = jsonWords(rest) ?? spaced(rest)
  if (words.length === 0) throw atLeastOne(name)
  if (words.length === 1) {
    throw bad(
      `${name} requires at least two arguments, but only one was provided. Destination could not be determined`,
    )
  }
  return {
    name,
    sources: words.slice(0, -1),
    target: words.at(-1)!,
    from: flags.get('from') ?? '',
    chown: flags.get('chown') ?? '',
    chmod: flags.get('chmod') ?? '',
  }
}
