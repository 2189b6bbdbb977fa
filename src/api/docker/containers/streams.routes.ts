/** What flows out of a container, and into it: attach, logs, stats. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AttachSession, Container, LogChunk } from '../../../engine/model.ts'
import type { ContainerStats } from '../../../engine/ports/sandbox.ts'
import { conflict, invalid, kindOf } from '../../../lib/errors.ts'
import { secondMs } from '../../../lib/units.ts'
import type { Exchange } from '../../exchange.ts'
import { type Route, route } from '../../route.ts'
import { parseDetachKeys } from '../../streams/detach-keys.ts'
import type { HijackedConnection } from '../../streams/hijack.ts'
import { carrySession } from '../../streams/session.ts'
import { frame, multiplexedStreamType, rawStreamType } from '../../streams/stdcopy.ts'
import { atLeast } from '../../versions.ts'
import type { Output } from '../output.ts'
import { rfc3339NanoFixed } from '../time.ts'
import * as schema from './containers.schema.ts'
import { isUp } from './state.present.ts'
import { statsJson } from './stats.present.ts'

export const containerStreamRoutes: readonly Route[] = [
  route('POST', '/containers/:id/attach', attach, { query: schema.attachQuery, hijacks: true }),
  route('GET', '/containers/:id/attach/ws', attachWebSocket, {
    query: schema.attachQuery,
    webSocket: true,
  }),
  route('GET', '/containers/:id/logs', logs, { query: schema.logsQuery }),
  route('GET', '/containers/:id/stats', stats, { query: schema.statsQuery }),
]

/** Framed output has a type of its own since 1.42; before, clients had to know from the container. */
export function streamType(tty: boolean, version: string): string {
  return !tty && atLeast(version, '1.42') ? multiplexedStreamType : rawStreamType
}

type Attach = Exchange<Output<typeof schema.attachQuery>>

async function attach(exchange: Attach): Promise<void> {
  const { query, version, params } = exchange
  const { container, detachKeys } = await attachable(exchange)
  const { spec } = container
  const { stdin, stdout, stderr, logs, stream } = query
  const wanted = { stdin, stdout, stderr, logs, stream }
  const session = await exchange.backends.containers.attach(exchange.scope, params.id!, wanted)
  const upgraded = streamType(spec.tty, version)
  await carryAttached(exchange, session, exchange.hijack({ upgraded, plain: rawStreamType }), {
    ...{ container, detachKeys },
    framed: !spec.tty,
    stdin: stdin && stream,
  })
}

/** Never framed, and before 1.42 with all streams, whatever was asked for: as dockerd. */
async function attachWebSocket(exchange: Attach): Promise<void> {
  const { query, version, params, scope, backends } = exchange
  const { container, detachKeys } = await attachable(exchange)
  const all = !atLeast(version, '1.42')
  const { logs, stream } = query
  const stdin = all || query.stdin
  const wanted = { stdin, stdout: all || query.stdout, stderr: all || query.stderr, logs, stream }
  const connection = await exchange.webSocket({ binary: atLeast(version, '1.28') })
  const session = await backends.containers.attach(scope, params.id!, wanted)
  await carryAttached(exchange, session, connection, {
    ...{ container, detachKeys },
    framed: false,
    stdin: stdin && stream,
  })
}

async function attachable({ backends, scope, params, query }: Attach) {
  const detachKeys = parseDetachKeys(query.detachKeys)
  const container = await backends.containers.get(scope, params.id!)
  const { status } = container.state
  if (status === 'paused') {
    throw conflict('paused', `container ${params.id} is paused, unpause the container before attach`)
  }
  if (status === 'restarting') {
    throw conflict('restarting', `container ${params.id} is restarting, wait until the container is running`)
  }
  return { container, detachKeys }
}

async function carryAttached(
  { signal, limits, log }: Attach,
  session: AttachSession,
  connection: HijackedConnection,
  how: {
    readonly container: Container
    readonly detachKeys: Buffer
    readonly framed: boolean
    readonly stdin: boolean
  },
): Promise<void> {
  const { spec } = how.container
  await carrySession(session, connection, {
    framed: how.framed,
    stdin: how.stdin && spec.openStdin,
    inputEnd: spec.stdinOnce && !spec.tty ? 'input' : 'session',
    detachKeys: spec.tty ? how.detachKeys : null,
    ...{ signal, limits, log },
  })
}

async function logs(exchange: Exchange<Output<typeof schema.logsQuery>>): Promise<void> {
  const { backends, scope, params, query, version, signal, reply } = exchange
  const { stdout, stderr, follow, timestamps, details } = query
  if (!stdout && !stderr) {
    throw invalid('no_stream', 'Bad parameters: you must choose at least one stream')
  }
  const { id, spec } = await backends.containers.get(scope, params.id!)
  // Clients of framed logs take a frame for a line, as dockerd sends them.
  const lines = !spec.tty || timestamps || details
  const tail = /^\d{1,9}$/.test(query.tail) ? Number(query.tail) : 'all'
  const [sinceNano, untilNano] = [query.since || null, query.until || null]
  const wanted = { stdout, stderr, follow, tail, sinceNano, untilNano, lines } as const
  const chunks = await backends.containers.logs(scope, id, wanted, { signal })
  const sink = reply.stream(200, streamType(spec.tty, version))
  for await (const chunk of chunks) {
    const data = decorate(chunk, timestamps, details)
    await sink.write(spec.tty ? data : frame(chunk.stream, data))
  }
  sink.end()
}

/** No log driver here keeps details, so dockerd would put an empty list of them before each line. */
function decorate({ data, timeNano }: LogChunk, timestamps: boolean, details: boolean): Buffer {
  if (!timestamps && !details) return data
  const prefix = `${timestamps ? `${rfc3339NanoFixed(timeNano)} ` : ''}${details ? ' ' : ''}`
  return Buffer.concat([Buffer.from(prefix), data])
}

async function stats(exchange: Exchange<Output<typeof schema.statsQuery>>): Promise<void> {
  const { backends, scope, params, query, reply, signal } = exchange
  const container = await backends.containers.get(scope, params.id!)
  let previous: ContainerStats | null = null
  if (!query.stream) {
    // The share of CPU is of an interval: without a first sample a client could only tell the average since the start.
    if (!query['one-shot'] && isUp(container)) {
      previous = await sample(exchange, container.id)
      await sleep(secondMs, undefined, { signal })
    }
    const now = isUp(container) ? await sample(exchange, container.id) : null
    return reply.json(200, statsJson(container, now, previous))
  }
  const sink = reply.stream(200, 'application/json')
  for (;;) {
    const now = await sample(exchange, container.id)
    await sink.write(`${JSON.stringify(statsJson(container, now, previous))}\n`)
    previous = now
    await sleep(secondMs, undefined, { signal })
  }
}

/** null: it does not run now. Rejects with kind `not_found` when it is gone, which ends a stream. */
async function sample({ backends, scope }: Exchange<unknown>, id: string): Promise<ContainerStats | null> {
  try {
    return await backends.containers.stats(scope, id)
  } catch (error) {
    if (kindOf(error) === 'conflict') return null
    throw error
  }
}
