/** From launching a cloned QEMU to its guest's first answer; the time is the one that the provider tells of every clone. */
import { openLab, sizeName } from './lab.ts'
import { quiet } from './quiet.ts'
import { type Summary, summarize } from './statistics.ts'

export interface CloneTimes {
  readonly what: string
  readonly unit: 'ms'
  readonly samples: readonly number[]
  readonly summary: Summary
}

export async function measureClones(directory: string, count: number): Promise<CloneTimes> {
  await using lab = await openLab('clones', directory)
  // The first makes the template.
  for (let i = 0; i <= count; i++) {
    await quiet()
    const sandbox = await lab.claim()
    await sandbox.kill()
  }
  const samples = lab.clonesMs.slice(1)
  const summary = summarize(samples)
  if (!summary || samples.length !== count)
    throw new Error(`${samples.length} of ${count} clones told their time`)
  return {
    what: `from launching a clone of size ${sizeName} (jail, QEMU, saved state) to the guest's first answer`,
    unit: 'ms',
    samples,
    summary,
  }
}
