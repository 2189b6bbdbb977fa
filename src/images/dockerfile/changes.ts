/** `--change` of import and commit: lines of a Dockerfile that only change the configuration. */
import type { ImageConfig } from '../../engine/ports/images.ts'
import { type ConfigCommand, configure } from './configure.ts'
import { bad, type Command, parseInstruction } from './instructions.ts'

const allowed: readonly Command['name'][] = [
  ...(['CMD', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'HEALTHCHECK', 'LABEL', 'ONBUILD', 'STOPSIGNAL'] as const),
  ...(['USER', 'VOLUME', 'WORKDIR'] as const),
]

/** Rejects with kind `invalid` in dockerd's words. */
export function applyChanges(base: ImageConfig, changes: readonly string[]): ImageConfig {
  let config = base
  let hasCommand = false
  const lines = changes.flatMap((change) => change.replaceAll(/\\\s*\n/g, '').split('\n'))
  for (const line of lines.map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const [, word, rest] = /^(\S+)\s*(.*)$/s.exec(line) as unknown as [string, string, string]
    const name = word.toUpperCase()
    if (!(allowed as readonly string[]).includes(name)) {
      throw bad(`${word.toLowerCase()} is not a valid change command`)
    }
    const command = parseInstruction(name, rest, '\\') as ConfigCommand
    config = configure(config, command, { env: config.Env }).config
    if (name === 'CMD') hasCommand = true
    // A command that was there for another entrypoint means nothing to this one.
    if (name === 'ENTRYPOINT' && !hasCommand) config = { ...config, Cmd: null }
  }
  return config
}
