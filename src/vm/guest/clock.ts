/**
 * How far the host's wall clock is ahead of a guest's. A guest that shares a busy processor takes its time to act, so it is
 * told a difference, which does not age on its way. A PING was answered at some moment between its being sent and its answer's
 * coming: the quickest of a few says it best.
 *
 *     host   sent ────────────── (sent + came) / 2 ────────────── came
 *     guest                         said
 */
import type { GuestChannel } from './channel.ts'
import { ops, tags } from './protocol.ts'

const pingsMax = 8
const pingsMin = 3
/** Half of it is the most that the clock can be wrong by. */
const goodRoundTripMs = 4
const nsPerMs = 1e6

export async function clockAheadNs(channel: Pick<GuestChannel, 'request'>): Promise<bigint> {
  let best = { roundTripMs: Number.POSITIVE_INFINITY, aheadNs: 0n }
  for (let n = 0; n < pingsMax && (n < pingsMin || best.roundTripMs > goodRoundTripMs); n++) {
    const wall = Date.now()
    const sent = performance.now()
    const said = (await channel.request(ops.ping)).u64(tags.realtimeNs)
    const roundTripMs = performance.now() - sent
    if (roundTripMs >= best.roundTripMs) continue
    const answeredNs = BigInt(Math.round((wall + 0.5 + roundTripMs / 2) * nsPerMs))
    best = { roundTripMs, aheadNs: answeredNs - said }
  }
  return best.aheadNs
}
