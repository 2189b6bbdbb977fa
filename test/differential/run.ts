/** Every case asked of both daemons, several at a time. */
import { availableParallelism } from 'node:os'
import { type Case, isCompared } from './case.ts'
import { allCases } from './cases/index.ts'
import { Pair } from './pair.ts'

/** Most of the time a case waits for one of the daemons. */
const atOnce = 4 * availableParallelism()

export interface Outcome {
  readonly title: string
  /** In order; of a case that came to no end the reason. */
  readonly differences: readonly string[]
  readonly failure?: Error
}

export const requestsOf = (cases: readonly Case[]) =>
  cases.reduce((sum, { steps }) => sum + steps.filter(isCompared).length, 0)

/** Those with the longest way first, in the order of the table then. */
export async function runCases(wanted = (_: Case) => true): Promise<Outcome[]> {
  await using pair = await Pair.start()
  const cases = allCases.flatMap(([, cases]) => cases).filter(wanted)
  const outcomes = new Map<Case, Outcome>()
  const run = async (some: readonly Case[]) => {
    const waiting = some.toSorted((a, b) => weight(b) - weight(a))
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        outcomes.set(next, await outcomeOf(pair, next))
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
  await run(cases.filter((one) => one.ofAll))
  await run(cases.filter((one) => !one.ofAll))
  return cases.map((one) => outcomes.get(one)!)
}

const weight = ({ steps, slow = false }: Case) => steps.length + (slow ? 100 : 0)

async function outcomeOf(pair: Pair, asked: Case): Promise<Outcome> {
  const { title } = asked
  try {
    return { title, differences: (await pair.differencesOf(asked)).sort() }
  } catch (error) {
    return { title, differences: [], failure: error as Error }
  }
}
