/** `--change` of import (and commit): lines of a Dockerfile that only change the configuration. */
import { posix } from 'node:path'
import type { ImageConfig } from '../engine/ports/images.ts'
import { invalid } from '../lib/errors.ts'
import { parseHealthcheck } from './healthcheck.ts'
import { command, expand, jsonWords, splitWords } from './words.ts'

type Config = { -readonly [K in keyof ImageConfig]: ImageConfig[K] }
type Instruction = (config: Config, rest: string, line: string) => void

const bad = (message: string) => invalid('bad_change', message)

const instructions: Readonly<Record<string, Instruction>> = {
  CMD: (config, rest) => {
    config.Cmd = command(rest)
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = command(rest)
  },
  ENV: (config, rest) => {
    for (const [key, value] of pairs('ENV', rest, config)) {
      config.Env = [...config.Env.filter((entry) => !entry.startsWith(`${key}=`)), `${key}=${value}`]
    }
  },
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs('LABEL', rest, config)) }
  },
  EXPOSE: (config, rest) => {
    const ports = splitWords(rest).flatMap((word) => exposed(expand(word, config.Env)))
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) }
  },
  USER: (config, rest) => {
    config.User = expand(rest, config.Env)
  },
  VOLUME: (config, rest) => {
    const paths = (jsonWords(rest) ?? splitWords(rest)).map((word) => expand(word, config.Env).trim())
    if (paths.includes('')) throw bad('VOLUME specified can not be an empty string')
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) }
  },
  WORKDIR: (config, rest) => {
    config.WorkingDir = posix.resolve('/', config.WorkingDir, expand(rest, config.Env))
  },
  STOPSIGNAL: (config, rest) => {
    const signal = expand(rest, config.Env)
    if (!/^(SIG)?[A-Z0-9+-]{2,12}$|^[0-9]{1,2}$/i.test(signal)) throw bad(`Invalid signal: ${signal}`)
    config.StopSignal = signal
  },
  HEALTHCHECK: (config, rest) => {
    config.Healthcheck = parseHealthcheck(rest)
  },
  ONBUILD: (config, rest) => {
    const trigger = rest.split(/\s/)[0]!.toUpperCase()
    if (trigger === 'ONBUILD') throw bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if (trigger === 'FROM' || trigger === 'MAINTAINER')
      throw bad(`${trigger} isn't allowed as an ONBUILD trigger`)
    config.OnBuild = [...(config.OnBuild ?? []), rest]
  },
}

/** Rejects with kind `invalid` in dockerd's words. */
export function applyChanges(base: ImageConfig, changes: readonly string[]): ImageConfig {
  const config: Config = { ...base }
  const lines = changes.flatMap((change) => change.replaceAll(/\\\s*\n/g, '').split('\n'))
  for (const line of lines.map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const [, word, rest] = /^(\S+)\s*(.*)$/s.exec(line) as unknown as [string, string, string]
    const name = word.toUpperCase()
    if (!Object.hasOwn(instructions, name)) throw bad(`${word.toLowerCase()} is not a valid change command`)
    if (rest === '') throw bad(`${name} requires at least one argument`)
    instructions[name]!(config, rest, line)
  }
  return config
}

/** `K=V K2="V 2"`, or the old `K V…`. */
function pairs(name: string, rest: string, { Env }: Config): [string, string][] {
  const words = splitWords(rest)
  if (!words[0]!.includes('=')) {
    const [, key, value] = /^(\S+)\s+(.*)$/s.exec(rest) ?? []
    if (key === undefined) throw bad(`${name} must have two arguments`)
    return [[expand(key, Env), expand(value!, Env)]]
  }
  return words.map((word) => {
    const equals = word.indexOf('=')
    if (equals < 0)
      throw bad(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`)
    const key = expand(word.slice(0, equals), Env)
    if (key === '') throw bad(`${name} names can not be blank`)
    return [key, expand(word.slice(equals + 1), Env)]
  })
}

function exposed(text: string): string[] {
  const [, first, last, protocol] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? []
  const from = Number(first)
  const to = Number(last ?? first)
  if (first === undefined || from < 1 || to > 65_535 || to < from) throw bad(`Invalid containerPort: ${text}`)
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}/${(protocol ?? 'tcp').toLowerCase()}`)
}
