/** Volumes as Docker has them. What it has no words for, sizes that grow and snapshots, is below /hb (src/api/hb). */
import { kindOf, unavailable } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { atLeast } from '../../versions.ts'
import { Filters } from '../filters.ts'
import type { Output } from '../output.ts'
import { labelsOf, listFilters, volumeJson, volumeMatcher } from './volumes.present.ts'
import * as schema from './volumes.schema.ts'

export const volumeRoutes: readonly Route[] = [
  route('GET', '/volumes', list, { query: schema.listQuery }),
  route('POST', '/volumes/create', create, { query: noQuery, body: schema.createBody }),
  route('POST', '/volumes/prune', prune, { query: schema.listQuery, since: '1.25' }),
  route('GET', '/volumes/*name', inspect, { query: noQuery }),
  route('PUT', '/volumes/*name', update, { query: noQuery, since: '1.42', served: false }),
  route('DELETE', '/volumes/*name', remove, { query: schema.removeQuery }),
]

type ListExchange = Exchange<Output<typeof schema.listQuery>>

async function list({ backends, scope, query, reply }: ListExchange): Promise<void> {
  const matches = volumeMatcher(new Filters(query.filters, listFilters))
  const volumes = (await backends.volumes.list(scope)).filter(matches)
  reply.json(200, { Volumes: volumes.map((volume) => volumeJson(volume)), Warnings: null })
}

async function create({
  backends,
  scope,
  body,
  reply,
}: Exchange<unknown, Output<typeof schema.createBody>>): Promise<void> {
  if (body.ClusterVolumeSpec) throw noCluster()
  const { Name: name, Driver: driver, Labels: labels, DriverOpts: options } = body
  const asked = { ...(name === '' ? {} : { name }), driver, labels, options }
  reply.json(201, volumeJson(await backends.volumes.create(scope, asked)))
}

/** Clients before 1.42 mean every volume that nobody uses; since then anonymous ones, unless `all` is among the filters. */
async function prune({ backends, scope, query, version, reply }: ListExchange): Promise<void> {
  const filters = new Filters(query.filters, ['all', 'label', 'label!'])
  const all = filters.boolean('all') ?? !atLeast(version, '1.42')
  const { names, bytes } = await backends.volumes.prune(scope, (volume) => {
    const labels = labelsOf(volume)
    return (all || volume.anonymous) && filters.allowsLabels(labels) && filters.allowsWithoutLabels(labels)
  })
  reply.json(200, { VolumesDeleted: names, SpaceReclaimed: bytes })
}

async function inspect({ backends, scope, params, reply }: Exchange): Promise<void> {
  reply.json(200, volumeJson(await backends.volumes.get(scope, params.name!)))
}

function update(): void {
  throw noCluster()
}

const noCluster = () =>
  unavailable('no_swarm', 'cluster volumes are of swarms, and this node is not a swarm manager')

async function remove({
  backends,
  scope,
  params,
  query,
  reply,
}: Exchange<Output<typeof schema.removeQuery>>): Promise<void> {
  try {
    await backends.volumes.remove(scope, params.name!)
  } catch (error) {
    // Force is of use for nothing else: what a container names stays.
    if (!query.force || kindOf(error) !== 'not_found') throw error
  }
  reply.empty(204)
}
