/** What the bench can be told. */
import { Command, InvalidArgumentError } from 'commander'
import { scenarios } from './scenarios/index.ts'

/** What is measured besides the comparisons, by the names that --only takes. */
export const information = {
  memory: 'memory of an idle container and of the daemons',
  clone: "from launching a clone to its guest's first answer",
  steps: 'what a start asks of a guest, step by step',
} as const

export interface Options {
  readonly rounds: number
  /** Ids of scenarios; empty: all. */
  readonly only: readonly string[]
  /** Keep results of this run out of results/, for a look in between. */
  readonly dry: boolean
}

export function readOptions(argv: readonly string[]): Options {
  const command = new Command('bench')
    .description('Hummingbird beside dockerd + runc: the same docker commands, alternating')
    .option('--rounds <n>', 'samples of each scenario and daemon', positive, 10)
    .option('--only <id,id>', 'these only; results/ stays as it is', known, [])
    .option('--dry', 'print, but leave bench/results as it is', false)
    .option('--list', 'names of the scenarios', false)
    .parse([...argv], { from: 'user' })
  const { rounds, only, dry, list } = command.opts<Options & { list: boolean }>()
  if (list) {
    for (const { id, what } of scenarios) console.log(`${id.padEnd(14)} ${what}`)
    for (const [id, what] of Object.entries(information)) console.log(`${id.padEnd(14)} ${what}`)
    process.exit(0)
  }
  return { rounds, only, dry }
}

function positive(text: string): number {
  const n = Number(text)
  if (!Number.isInteger(n) || n < 1 || n > 1000) throw new InvalidArgumentError('a number from 1 to 1000')
  return n
}

function known(text: string): string[] {
  const ids = text.split(',').filter(Boolean)
  const all = [...scenarios.map(({ id }) => id), ...Object.keys(information)]
  const wrong = ids.find((id) => !all.includes(id))
  if (wrong) throw new InvalidArgumentError(`there is no scenario ${wrong}; --list names them`)
  return ids
}
