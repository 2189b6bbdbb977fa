/** A bound on everything a client may send or hold, each with its reason. */
import { KiB, MiB, minuteMs, secondMs } from '../lib/units.ts'

export interface ApiLimits {
  /** A JSON body is held whole, parsed, and (for a container) stored and echoed. */
  readonly jsonBodyBytesMax: number
  /** Deeper than any Docker body; the recursion of JSON.stringify ends at some thousand. */
  readonly jsonDepthMax: number
  /** A client that does not finish its JSON body holds a connection for nothing. Streams have no such limit. */
  readonly jsonBodyTimeoutMs: number
  /** Registry credentials and filters travel in headers and in the request line. */
  readonly headerBytesMax: number
  readonly headersTimeoutMs: number
  /** Longer than clients keep an idle connection, so that they close first and never meet a closed one. */
  readonly keepAliveTimeoutMs: number
  /** Each costs a descriptor and some KiB. One of more than these is told so; of `connectionsToldMax` more, it is only closed. */
  readonly connectionsMax: number
  readonly connectionsToldMax: number
  /** An upload takes as long as it takes, but not for ever between two pieces of it. */
  readonly uploadStallMs: number
  /** After the output of an attached process has ended, the client has so long to take it and close its side. */
  readonly lingerMs: number
  /** How often a half-closed connection is asked whether the client is still there. */
  readonly vanishedProbeMs: number
  /** A message of the input is held whole. */
  readonly webSocketMessageBytesMax: number
  /** Progress lines (they are many and each outdates the last) are left out while so much is not yet taken. */
  readonly progressBacklogBytesMax: number
  /** `close()` waits so long for what is being answered. */
  readonly closeGraceMs: number
}

export const defaultLimits: ApiLimits = {
  jsonBodyBytesMax: MiB,
  jsonDepthMax: 100,
  jsonBodyTimeoutMs: 30 * secondMs,
  headerBytesMax: 64 * KiB,
  headersTimeoutMs: 30 * secondMs,
  keepAliveTimeoutMs: 5 * minuteMs,
  connectionsMax: 4096,
  connectionsToldMax: 64,
  uploadStallMs: 5 * minuteMs,
  lingerMs: 10 * secondMs,
  vanishedProbeMs: 5 * secondMs,
  webSocketMessageBytesMax: MiB,
  progressBacklogBytesMax: 256 * KiB,
  closeGraceMs: 2 * secondMs,
}
