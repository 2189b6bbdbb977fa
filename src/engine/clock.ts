/** The wall clock in nanoseconds, as Docker tells times in logs and events. */
import { nanosPerMs } from '../lib/units.ts'

export interface Clock {
  nowNano(): bigint
}

/** Beyond this the wall clock was set, and the fine clock is tied to it anew. */
const driftNanosMax = 2n * nanosPerMs

/** Takes the digits below a millisecond from the monotonic clock. */
export function createClock(): Clock {
  let offset = BigInt(Date.now()) * nanosPerMs - process.hrtime.bigint()
  return {
    nowNano() {
      const coarse = BigInt(Date.now()) * nanosPerMs
      const fine = process.hrtime.bigint() + offset
      const drift = fine - coarse
      if (drift < driftNanosMax && drift > -driftNanosMax) return fine
      offset += coarse - fine
      return coarse
    },
  }
}

export function dateOf(nano: bigint): Date {
  return new Date(Number(nano / nanosPerMs))
}
