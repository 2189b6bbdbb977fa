/** Building images with the classic builder, and its cache. */
import { HummingbirdError, invalid } from '../../../lib/errors.ts'
import { failureOf } from '../../errors.ts'
import type { Exchange } from '../../exchange.ts'
import { type Route, route } from '../../route.ts'
import { Progress } from '../../streams/progress.ts'
import { pruneUntil } from '../containers/containers.filter.ts'
import { Filters } from '../filters.ts'
import type { Output } from '../output.ts'
import { type CacheRow, cacheRowJson, cacheRows } from './build.present.ts'
import { buildRequest } from './build.request.ts'
import * as schema from './build.schema.ts'

export const buildRoutes: readonly Route[] = [
  route('POST', '/build', build, { query: schema.buildQuery }),
  route('POST', '/build/cancel', cancel, { query: schema.cancelQuery, since: '1.39' }),
  route('POST', '/build/prune', prune, { query: schema.pruneQuery, since: '1.31' }),
]

async function build(exchange: Exchange<Output<typeof schema.buildQuery>>): Promise<void> {
  const { backends, scope, query, headers, upload, signal, reply, limits, log } = exchange
  const find = (name: string) => backends.networks.get(scope, name)
  const request = await buildRequest(query, headers, find)
  await new Progress(reply, limits).of(
    (progress) => backends.builds.build(scope, request, upload, { progress, signal }),
    (error) => ({ message: failureOf(error, log).message, ...exitCodeOf(error) }),
  )
}

/** The client ends with the code of the command that failed. */
function exitCodeOf(error: unknown): { code?: number } {
  if (!(error instanceof HummingbirdError) || error.code !== 'build_command_failed') return {}
  return { code: (error.details as { exitCode: number }).exitCode }
}

function cancel({ backends, scope, query, reply }: Exchange<Output<typeof schema.cancelQuery>>): void {
  if (query.id === '') throw invalid('no_build_id', 'build ID not provided')
  backends.builds.cancel(scope, query.id)
  reply.empty(200)
}

/** Without `all`, steps that an image with a name was made of stay. */
async function prune({
  backends,
  scope,
  query,
  reply,
}: Exchange<Output<typeof schema.pruneQuery>>): Promise<void> {
  const filters = new Filters(query.filters, ['id', 'until'])
  const until = pruneUntil(filters, new Date())
  const ids = filters.get('id')
  const rows = new Map((await cacheRows(backends, scope)).map((row) => [row.step, row]))
  const isWanted = ({ inUse, step }: CacheRow) =>
    (query.all || !inUse) &&
    (!until || step.usedAt < until) &&
    (ids.length === 0 || ids.some((id) => step.image.includes(id)))
  const wanted = [...rows.values()].filter(isWanted)
  const images = new Set(wanted.map(({ step }) => step.image))
  await backends.builds.prune(scope, ({ image }) => images.has(image))
  const deleted = wanted.map((row) => cacheRowJson(row).ID)
  reply.json(200, { CachesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: 0 })
}
