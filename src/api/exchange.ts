/** All that a handler is given: what was asked, by whom, what is behind the door, and how to answer. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Log } from '../lib/log.ts'
import type { Backends, Scope } from './docker/backends.ts'
import type { ApiLimits } from './limits.ts'
import type { Reply } from './reply.ts'
import type { HijackedConnection } from './streams/hijack.ts'

export interface Exchange<Query = unknown, Body = unknown> {
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  /** The version of Docker's API that the client speaks. */
  readonly version: string
  readonly headers: IncomingHttpHeaders
  /** The request's body when the route declares none: an archive, at our pace. */
  readonly upload: Readable
  readonly scope: Scope
  readonly backends: Backends
  readonly limits: ApiLimits
  readonly log: Log
  /** Aborted when the client has gone, or has closed its side, which for an ordinary request means the same. */
  readonly signal: AbortSignal
  readonly reply: Reply
  /** The connection becomes a raw stream; a client that asked for no upgrade is served as old ones were. */
  hijack(type: { upgraded: string; plain: string }): HijackedConnection
  /** The connection becomes a WebSocket. Rejects with kind `invalid` when the client did not ask for one. */
  webSocket(options: { binary: boolean }): Promise<HijackedConnection>
}
