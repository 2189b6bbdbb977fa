/** Making, reading and removing containers. Their life is in lifecycle.routes.ts, their streams in streams.routes.ts. */
import { conflict, hasCode, invalid, prefixed } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { atLeast } from '../../versions.ts'
import type { Output } from '../output.ts'
import { checkPlatform } from '../platform.ts'
import { pruneMatcher, selectContainers } from './containers.filter.ts'
import { inspectJson, summaryJson } from './containers.present.ts'
import { containerRequest } from './containers.request.ts'
import * as schema from './containers.schema.ts'
import { topJson } from './top.present.ts'
import { containerChange } from './update.request.ts'

export const containerRoutes: readonly Route[] = [
  route('GET', '/containers/json', list, { query: schema.listQuery }),
  route('POST', '/containers/create', create, { query: schema.createQuery, body: schema.createRequest }),
  route('POST', '/containers/prune', prune, { query: schema.pruneQuery, since: '1.25' }),
  route('GET', '/containers/:id/json', inspect, { query: schema.inspectQuery }),
  route('GET', '/containers/:id/top', top, { query: schema.topQuery }),
  route('POST', '/containers/:id/rename', rename, { query: schema.renameQuery }),
  route('POST', '/containers/:id/update', update, {
    query: noQuery,
    body: schema.updateBody,
  }),
  route('DELETE', '/containers/:id', remove, { query: schema.removeQuery }),
]

type Query<Schema extends { _zod: unknown }> = Exchange<Output<Schema>>

async function list({ backends, scope, query, reply }: Query<typeof schema.listQuery>): Promise<void> {
  const all = await backends.containers.list(scope)
  const shown = await selectContainers(all, query, backends, scope)
  const now = new Date()
  const lines = shown.map(async (container) =>
    summaryJson(
      container,
      now,
      query.size ? await backends.containers.sizes(scope, container.id) : undefined,
    ),
  )
  reply.json(200, await Promise.all(lines))
}

async function create(
  exchange: Exchange<Output<typeof schema.createQuery>, Output<typeof schema.createRequest>>,
): Promise<void> {
  const { backends, scope, query, body, reply } = exchange
  checkPlatform(query.platform, body.body.Image)
  const find = (ref: string) => backends.networks.get(scope, ref)
  const { request, warnings } = await containerRequest(body, query.name, find)
  const made = await backends.containers.create(scope, request)
  reply.json(201, { Id: made.container.id, Warnings: [...warnings, ...made.warnings] })
}

async function prune({ backends, scope, query, reply }: Query<typeof schema.pruneQuery>): Promise<void> {
  const { ids, bytes } = await backends.containers.prune(scope, pruneMatcher(query.filters, new Date()))
  reply.json(200, { ContainersDeleted: ids.length > 0 ? ids : null, SpaceReclaimed: bytes })
}

async function inspect({
  backends,
  scope,
  params,
  query,
  reply,
}: Query<typeof schema.inspectQuery>): Promise<void> {
  const container = await backends.containers.get(scope, params.id!)
  const [execIds, sizes] = await Promise.all([
    backends.containers.execIds(scope, container.id),
    query.size ? backends.containers.sizes(scope, container.id) : undefined,
  ])
  reply.json(200, inspectJson(container, { execIds, ...(sizes ? { sizes } : {}) }))
}

async function top({ backends, scope, params, query, reply }: Query<typeof schema.topQuery>): Promise<void> {
  const tasks = await backends.containers.tasks(scope, params.id!)
  reply.json(200, topJson(tasks, query.ps_args, new Date()))
}

async function rename({
  backends,
  scope,
  params,
  query,
  reply,
}: Query<typeof schema.renameQuery>): Promise<void> {
  if (query.name === '') throw invalid('bad_name', 'Neither old nor new names may be empty')
  try {
    await backends.containers.rename(scope, params.id!, query.name.replace(/^\//, ''))
  } catch (error) {
    throw hasCode(error, 'same_name')
      ? error
      : prefixed('Error when allocating new name', error, ['invalid', 'conflict'])
  }
  reply.empty(204)
}

async function update(exchange: Exchange<unknown, Output<typeof schema.updateBody>>): Promise<void> {
  const { backends, scope, params, body, reply, version } = exchange
  const asked = atLeast(version, '1.40') ? body : { ...body, PidsLimit: null }
  const { change, warnings } = containerChange(asked)
  await backends.containers.update(scope, params.id!, change)
  reply.json(200, { Warnings: warnings.length > 0 ? warnings : null })
}

async function remove({
  backends,
  scope,
  params,
  query,
  reply,
}: Query<typeof schema.removeQuery>): Promise<void> {
  if (query.link) {
    await backends.containers.get(scope, params.id!)
    // There are no links, so every name is the one that the container was given.
    throw conflict('no_links', 'Conflict, cannot remove the default link name of the container')
  }
  await backends.containers.remove(scope, params.id!, { force: query.force, volumes: query.v })
  reply.empty(204)
}
