/** One thing a user of the docker CLI waits for. */
import { randomBytes } from 'node:crypto'
import type { Peer } from '../peers/peer.ts'
import type { Registry } from '../peers/registry.ts'

/** What every scenario may use. */
export interface Bench {
  readonly registry: Registry
  /** A static busybox and nothing else. Both daemons have it. */
  readonly image: string
  /** Debian with redis, for pulling. Neither daemon has it between samples. */
  readonly large: { readonly name: string; readonly layers: number }
}

export interface Scenario {
  readonly id: string
  readonly title: string
  /** What a sample is, for readers of the results. */
  readonly what: string
  /** Before the first sample; not timed. */
  prepare?(peer: Peer, bench: Bench): Promise<void>
  /** One sample in milliseconds. It removes what it made; only what it says is timed. */
  sample(peer: Peer, bench: Bench): Promise<number>
  /** After the last sample, also when one failed. */
  finish?(peer: Peer, bench: Bench): Promise<void>
}

export function freshName(): string {
  return `bench-${randomBytes(5).toString('hex')}`
}

export async function removeAll(peer: Peer, names: readonly string[]): Promise<void> {
  if (names.length > 0) await peer.docker.read('rm', '--force', ...names)
}

/** Runs `work` for 0 … count - 1, `width` at a time. */
export async function inParallel(
  count: number,
  width: number,
  work: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let i = next++; i < count; i = next++) await work(i)
  }
  const outcomes = await Promise.allSettled(Array.from({ length: width }, worker))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure) throw failure.reason
}
