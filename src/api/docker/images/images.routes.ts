/** Reading, naming and removing images. Their ways in and out are in transfer.routes.ts. */
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { dockerState } from '../containers/state.present.ts'
import type { Output } from '../output.ts'
import { refuseIf } from '../query.ts'
import { imagePruneOptions, selectImages } from './images.filter.ts'
import { historyJson, imageJson, imageSummaryJson, removedJson } from './images.present.ts'
import * as schema from './images.schema.ts'
import { joinReference } from './references.ts'
import { readRegistryAuth } from './registry-auth.ts'

export const imageRoutes: readonly Route[] = [
  route('GET', '/images/json', list, { query: schema.listQuery }),
  route('POST', '/images/prune', prune, { query: schema.pruneQuery, since: '1.25' }),
  route('GET', '/images/*name/json', inspect, { query: noQuery }),
  route('GET', '/images/*name/history', history, { query: noQuery }),
  route('POST', '/images/*name/tag', tag, { query: schema.tagQuery }),
  route('DELETE', '/images/*name', remove, { query: schema.removeQuery }),
  route('GET', '/distribution/*name/json', distribution, { query: noQuery, since: '1.30' }),
]

async function list({ backends, scope, query, version, reply }: Exchange<Output<typeof schema.listQuery>>) {
  const shown = await selectImages(await backends.images.list(scope), query, backends, scope)
  reply.json(
    200,
    shown.map((image) => imageSummaryJson(image, -1, version)),
  )
}

async function prune({
  backends,
  scope,
  query,
  reply,
}: Exchange<Output<typeof schema.pruneQuery>>): Promise<void> {
  const options = imagePruneOptions(query.filters, new Date())
  const containers = await backends.containers.list(scope)
  const used = (id: string) => containers.some(({ spec }) => spec.imageId === id)
  const { removed, bytes } = await backends.images.prune(scope, { ...options, used })
  const deleted = removedJson(removed)
  reply.json(200, { ImagesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: bytes })
}

async function inspect({ backends, scope, params, version, reply }: Exchange): Promise<void> {
  reply.json(200, imageJson(await backends.images.get(scope, params.name!), version))
}

async function history({ backends, scope, params, reply }: Exchange): Promise<void> {
  reply.json(200, historyJson(await backends.images.get(scope, params.name!)))
}

async function tag({
  backends,
  scope,
  params,
  query,
  reply,
}: Exchange<Output<typeof schema.tagQuery>>): Promise<void> {
  refuseIf(query.repo === '', 'invalid reference format: repo names no repository')
  await backends.images.tag(scope, params.name!, joinReference(query.repo, query.tag))
  reply.empty(201)
}

async function remove({
  backends,
  scope,
  params,
  query,
  reply,
}: Exchange<Output<typeof schema.removeQuery>>) {
  const containers = await backends.containers.list(scope)
  const usedBy = (imageId: string) =>
    containers
      .filter(({ spec }) => spec.imageId === imageId)
      .map(({ id, state }) => ({
        id,
        running: ['running', 'paused', 'restarting'].includes(dockerState(state)),
      }))
  const removed = await backends.images.remove(scope, params.name!, {
    force: query.force,
    keepParents: query.noprune,
    usedBy,
  })
  reply.json(200, removedJson(removed))
}

async function distribution({ backends, scope, params, headers, signal, reply }: Exchange): Promise<void> {
  const credentials = readRegistryAuth(headers)
  const options = { ...(credentials ? { credentials } : {}), signal }
  const { mediaType, digest, bytes, platforms } = await backends.images.inspectDistribution(
    ...([scope, params.name!, options] as const),
  )
  reply.json(200, {
    Descriptor: { mediaType, digest, size: bytes },
    Platforms: platforms.map(({ os, architecture, variant }) => ({
      ...{ architecture, os },
      ...(variant ? { variant } : {}),
    })),
  })
}
