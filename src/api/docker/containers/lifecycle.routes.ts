/** The life of a container: start, stop, and what lies between. */
import { unlessAborted } from '../../../lib/deadline.ts'
import { invalid, notImplemented, prefixed } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { atLeast } from '../../versions.ts'
import type { Output } from '../output.ts'
import { clip, terminalSizeOf } from '../query.ts'
import * as schema from './containers.schema.ts'

export const lifecycleRoutes: readonly Route[] = [
  route('POST', '/containers/:id/start', start, { query: schema.startQuery }),
  route('POST', '/containers/:id/stop', stop, { query: schema.stopQuery }),
  route('POST', '/containers/:id/restart', restart, { query: schema.stopQuery }),
  route('POST', '/containers/:id/kill', kill, { query: schema.killQuery }),
  route('POST', '/containers/:id/pause', pause, { query: noQuery }),
  route('POST', '/containers/:id/unpause', unpause, { query: noQuery }),
  route('POST', '/containers/:id/resize', resize, { query: schema.resizeQuery }),
  route('POST', '/containers/:id/wait', wait, { query: schema.waitQuery }),
]

/** `{}` and `null`, which some clients send with every request. */
const emptyBodyBytesMax = 7

async function start({
  backends,
  scope,
  params,
  query,
  headers,
  reply,
}: Exchange<Output<typeof schema.startQuery>>) {
  if (Number(headers['content-length'] ?? 0) > emptyBodyBytesMax) {
    throw invalid(
      'start_with_body',
      'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
    )
  }
  if (query.checkpoint !== '') throw notImplemented('no_checkpoints', 'checkpoints are not supported yet')
  await backends.containers.start(scope, params.id!)
  reply.empty(204)
}

async function stop({
  backends,
  scope,
  params,
  query,
  reply,
  version,
}: Exchange<Output<typeof schema.stopQuery>>) {
  await backends.containers.stop(scope, params.id!, stopOptions(query, version))
  reply.empty(204)
}

async function restart({
  backends,
  scope,
  params,
  query,
  reply,
  version,
}: Exchange<Output<typeof schema.stopQuery>>) {
  await backends.containers.restart(scope, params.id!, stopOptions(query, version))
  reply.empty(204)
}

function stopOptions({ t, signal }: Output<typeof schema.stopQuery>, version: string) {
  return {
    ...(t === undefined ? {} : { timeoutSeconds: t }),
    ...(signal !== '' && atLeast(version, '1.42') ? { signal } : {}),
  }
}

async function kill({ backends, scope, params, query, reply }: Exchange<Output<typeof schema.killQuery>>) {
  const id = params.id!
  try {
    await backends.containers.kill(scope, id, query.signal || 'KILL')
  } catch (error) {
    throw prefixed(`Cannot kill container: ${clip(id)}`, error, ['not_found', 'conflict'])
  }
  reply.empty(204)
}

async function pause({ backends, scope, params, reply }: Exchange) {
  await backends.containers.pause(scope, params.id!)
  reply.empty(204)
}

async function unpause({ backends, scope, params, reply }: Exchange) {
  await backends.containers.unpause(scope, params.id!)
  reply.empty(204)
}

async function resize({
  backends,
  scope,
  params,
  query,
  reply,
}: Exchange<Output<typeof schema.resizeQuery>>) {
  const { rows, columns } = terminalSizeOf(query)
  await backends.containers.resize(scope, params.id!, rows, columns)
  reply.empty(200)
}

const conditions = ['not-running', 'next-exit', 'removed'] as const

/** Clients ask this before they start the container, and start it when the headers have come. */
async function wait({
  backends,
  scope,
  params,
  query,
  reply,
  signal,
  version,
}: Exchange<Output<typeof schema.waitQuery>>) {
  const condition = conditions.find((known) => known === (query.condition || 'not-running'))
  if (!condition) throw invalid('bad_condition', `invalid condition: "${clip(query.condition)}"`)
  const { outcome } = await backends.containers.wait(scope, params.id!, condition, { signal })
  const sink = reply.stream(200, 'application/json')
  const { exitCode, error } = await unlessAborted(outcome, signal)
  await sink.write(`${JSON.stringify({ ...waitError(error, version), StatusCode: exitCode })}\n`)
  sink.end()
}

/** Until 1.41 it was told, too, that there is none. */
function waitError(error: string | undefined | null, version: string) {
  if (error) return { Error: { Message: error } }
  return atLeast(version, '1.42') ? {} : { Error: null }
}
