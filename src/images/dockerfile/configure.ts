/** What instructions do to an image's configuration, but for those that need files or a container. */
import { constants } from 'node:os'
import { posix } from 'node:path'
import type { ImageConfig } from '../../engine/ports/images.ts'
import { bad, type Command, type CommandLine } from './instructions.ts'
import { expand, type Scope } from './words.ts'

export const defaultShell: readonly string[] = ['/bin/sh', '-c']

export const commandOf = (command: CommandLine, { Shell }: ImageConfig): readonly string[] =>
  'words' in command ? command.words : [...(Shell ?? defaultShell), command.line]

export type ConfigCommand = Exclude<Command, { name: 'FROM' | 'ARG' | 'RUN' | 'COPY' | 'ADD' | 'MAINTAINER' }>

/** Answers the configuration that follows, and what the image's history says of it. Rejects with kind `invalid`. */
export function configure(
  config: ImageConfig,
  command: ConfigCommand,
  scope: Scope,
): { config: ImageConfig; comment: string } {
  const { name } = command
  switch (name) {
    case 'CMD': {
      const Cmd = commandOf(command.command, config)
      return { config: { ...config, Cmd }, comment: `CMD ${quoted(Cmd)}` }
    }
    case 'ENTRYPOINT': {
      const Entrypoint = commandOf(command.command, config)
      return { config: { ...config, Entrypoint }, comment: `ENTRYPOINT ${quoted(Entrypoint)}` }
    }
    case 'ENV':
    case 'LABEL': {
      const pairs = command.pairs.map((pair): [string, string] => [
        expand(pair.key, scope),
        expand(pair.value, scope),
      ])
      if (pairs.some(([key]) => key === '')) throw bad(`${name} names can not be blank`)
      const comment = [name, ...pairs.map(([key, value]) => `${key}=${value}`)].join(' ')
      if (name === 'LABEL') {
        return { config: { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs) } }, comment }
      }
      const Env = pairs.reduce((env, [key, value]) => setVariable(env, key, value), config.Env)
      return { config: { ...config, Env }, comment }
    }
    case 'EXPOSE': {
      const words = command.words.flatMap((word) => expand(word, scope).split(/\s+/))
      const ports = words.filter((word) => word !== '').flatMap(exposed)
      const ExposedPorts = {
        ...config.ExposedPorts,
        ...Object.fromEntries(ports.map((port) => [port, {}])),
      }
      return { config: { ...config, ExposedPorts }, comment: `EXPOSE ${words.sort().join(' ')}` }
    }
    case 'USER': {
      const User = expand(command.text, scope)
      return { config: { ...config, User }, comment: `USER ${User}` }
    }
    case 'VOLUME': {
      const paths = command.words.map((word) => expand(word, scope).trim())
      if (paths.includes('')) throw bad('VOLUME specified can not be an empty string')
      const Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) }
      return { config: { ...config, Volumes }, comment: `VOLUME [${paths.join(' ')}]` }
    }
    case 'WORKDIR': {
      const path = expand(command.text, scope)
      if (path === '') throw bad('cannot normalize nothing')
      const WorkingDir = posix.resolve('/', config.WorkingDir, path)
      return { config: { ...config, WorkingDir }, comment: `WORKDIR ${WorkingDir}` }
    }
    case 'STOPSIGNAL': {
      const StopSignal = expand(command.text, scope)
      if (!isSignal(StopSignal)) throw bad(`Invalid signal: ${StopSignal}`)
      return { config: { ...config, StopSignal }, comment: `STOPSIGNAL ${StopSignal}` }
    }
    case 'HEALTHCHECK': {
      const words = command.check.Test ?? []
      return { config: { ...config, Healthcheck: command.check }, comment: `HEALTHCHECK ${quoted(words)}` }
    }
    case 'SHELL':
      return { config: { ...config, Shell: command.words }, comment: `SHELL [${command.words.join(' ')}]` }
    case 'ONBUILD':
      return {
        config: { ...config, OnBuild: [...(config.OnBuild ?? []), command.text] },
        comment: `ONBUILD ${command.text}`,
      }
    default:
      return name satisfies never
  }
}

/** By name, with or without SIG, or by number. */
function isSignal(text: string): boolean {
  if (/^\d{1,2}$/.test(text)) return Number(text) >= 1 && Number(text) <= 64
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}`
  return Object.hasOwn(constants.signals, name) || /^SIGRTM(IN(\+\d{1,2})?|AX(-\d{1,2})?)$/.test(name)
}

/** As Go prints a list of strings: `["a" "b"]`. */
const quoted = (words: readonly string[]) => `[${words.map((word) => JSON.stringify(word)).join(' ')}]`

/** One that is there keeps its place. */
export function setVariable(env: readonly string[], key: string, value: string): string[] {
  const entry = `${key}=${value}`
  const at = env.findIndex((other) => other.startsWith(`${key}=`))
  return at < 0 ? [...env, entry] : env.with(at, entry)
}

function exposed(text: string): string[] {
  const [, first, last, protocol] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? []
  const from = Number(first)
  const to = Number(last ?? first)
  if (first === undefined || from < 1 || to > 65_535 || to < from) throw bad(`Invalid containerPort: ${text}`)
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}/${(protocol ?? 'tcp').toLowerCase()}`)
}
