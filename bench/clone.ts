/** From launching a cloned QEMU to the guest's first answer, with src/vm alone: no pool, no engine, no API. */
import type { Summary } from './statistics.ts'

export interface Clones {
  readonly what: string
  readonly unit: 'ms'
  readonly samples: readonly number[]
  readonly summary: Summary
}

export async function measureClones(): Promise<Clones> {
  throw new Error('not yet')
}
