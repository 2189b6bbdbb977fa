/** A whole Dockerfile: arguments before the first stage, then stages of instructions. */
import { HummingbirdError } from '../../lib/errors.ts'
import { bad, type Command, parseInstruction } from './instructions.ts'
import { atLine, type DockerfileLine, readLines } from './lines.ts'
import type { Escape } from './words.ts'

export type Step<C extends Command = Command> = C & {
  /** 0: not of the Dockerfile. */
  readonly at: number
  /** As it was written. */
  readonly source: string
}

export type From = Extract<Command, { name: 'FROM' }>
export type Arg = Extract<Command, { name: 'ARG' }>

export interface Stage {
  readonly from: Step<From>
  readonly steps: readonly Step[]
}

export interface Dockerfile {
  readonly escapeToken: Escape
  /** Of all stages' FROM. */
  readonly args: readonly Step<Arg>[]
  readonly stages: readonly Stage[]
  readonly warnings: readonly string[]
}

/** Instructions of one Dockerfile: each is an image. */
const stepsMax = 1_000

/** Rejects with kind `invalid`, dockerd's words and the line's number. */
export function parseDockerfile(text: string): Dockerfile {
  const { escapeToken, lines, warnings } = readLines(text)
  if (lines.length > stepsMax) throw atLine(lines[stepsMax]!.line, `more than ${stepsMax} instructions`)
  const args: Step<Arg>[] = []
  const stages: { from: Step<From>; steps: Step[] }[] = []
  for (const line of lines) {
    const step = parseStep(line, escapeToken)
    if (step.name === 'FROM') stages.push({ from: step, steps: [] })
    else if (stages.length > 0) stages.at(-1)!.steps.push(step)
    else if (step.name === 'ARG') args.push(step)
    else throw bad('no build stage in current context')
  }
  if (stages.length === 0) throw bad('no build stage in current context')
  return { escapeToken, args, stages, warnings }
}

/** A line that an image hands on with ONBUILD. */
export function parseTrigger(trigger: string): Step {
  const { lines, escapeToken } = readLines(trigger)
  if (lines.length !== 1) throw atLine(1, 'onbuild trigger should be a single expression')
  return parseStep(lines[0]!, escapeToken)
}

function parseStep({ line, name, rest, source }: DockerfileLine, escapeToken: Escape): Step {
  try {
    return { ...parseInstruction(name, rest, escapeToken), at: line, source }
  } catch (error) {
    if (error instanceof HummingbirdError) throw atLine(line, error.message)
    throw error
  }
}
