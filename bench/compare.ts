/** Runs one scenario against both daemons in turn. */
import type { Pair, PeerName } from './peers/peer.ts'
import { quiet } from './quiet.ts'
import type { Bench, Scenario } from './scenarios/scenario.ts'
import { type Ratio, ratio, type Summary, summarize } from './statistics.ts'

export interface Comparison {
  readonly id: string
  readonly title: string
  readonly what: string
  readonly unit: 'ms'
  /** In the order in which they were taken; null: this one failed. */
  readonly samples: Readonly<Record<PeerName, readonly (number | null)[]>>
  readonly summary: Readonly<Record<PeerName, Summary | null>>
  readonly ratio: Ratio | null
  readonly failures: Readonly<Record<PeerName, readonly string[]>>
}

export async function compare(
  scenario: Scenario,
  peers: Pair,
  bench: Bench,
  rounds: number,
): Promise<Comparison> {
  const samples: Record<PeerName, (number | null)[]> = { hummingbird: [], dockerd: [] }
  const failures: Record<PeerName, string[]> = { hummingbird: [], dockerd: [] }
  const unfit = new Set<PeerName>()
  for (const peer of peers) {
    try {
      await scenario.prepare?.(peer, bench)
      await quiet()
      // The warm-up.
      await scenario.sample(peer, bench)
    } catch (error) {
      failures[peer.name].push((error as Error).message)
      unfit.add(peer.name)
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const peer of round % 2 === 0 ? peers : peers.toReversed()) {
      let ms: number | null = null
      // A daemon that could not even warm up is not asked again and again.
      if (!unfit.has(peer.name)) {
        await quiet()
        try {
          ms = await scenario.sample(peer, bench)
        } catch (error) {
          failures[peer.name].push((error as Error).message)
        }
      }
      samples[peer.name].push(ms)
    }
  }
  for (const peer of peers) {
    try {
      await scenario.finish?.(peer, bench)
    } catch (error) {
      failures[peer.name].push((error as Error).message)
    }
  }
  const taken = (name: PeerName) => samples[name].filter((sample) => sample !== null)
  return {
    id: scenario.id,
    title: scenario.title,
    what: scenario.what,
    unit: 'ms',
    samples,
    summary: { hummingbird: summarize(taken('hummingbird')), dockerd: summarize(taken('dockerd')) },
    ratio: ratio(samples.hummingbird, samples.dockerd),
    failures,
  }
}
