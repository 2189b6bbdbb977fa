/** Volumes: there are none yet, which is told in Docker's way where that is an answer. */
import { z } from 'zod'
import { notFound, notImplemented } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { Filters } from '../filters.ts'
import type { Output } from '../output.ts'
import * as q from '../query.ts'

const listQuery = z.looseObject({ filters: q.text })
const removeQuery = z.looseObject({ force: q.flag })

export const volumeRoutes: readonly Route[] = [
  route('GET', '/volumes', list, { query: listQuery }),
  route('POST', '/volumes/create', create, { query: noQuery, served: false }),
  route('POST', '/volumes/prune', prune, { query: listQuery, since: '1.25' }),
  route('GET', '/volumes/*name', inspect, { query: noQuery }),
  route('PUT', '/volumes/*name', inspect, { query: noQuery, since: '1.42' }),
  route('DELETE', '/volumes/*name', remove, { query: removeQuery }),
]

function list({ query, reply }: Exchange<Output<typeof listQuery>>): void {
  new Filters(query.filters, ['dangling', 'driver', 'label', 'name'])
  reply.json(200, { Volumes: [], Warnings: null })
}

function create(): void {
  throw notImplemented(
    'no_volumes',
    'volumes are not supported yet: what a container writes is kept in its own layer until it is removed',
  )
}

function prune({ query, reply }: Exchange<Output<typeof listQuery>>): void {
  new Filters(query.filters, ['all', 'label', 'label!'])
  reply.json(200, { VolumesDeleted: [], SpaceReclaimed: 0 })
}

const noSuchVolume = (name: string) => notFound('no_such_volume', `get ${q.clip(name)}: no such volume`)

function inspect({ params }: Exchange): void {
  throw noSuchVolume(params.name!)
}

function remove({ params, query, reply }: Exchange<Output<typeof removeQuery>>): void {
  if (!query.force) throw noSuchVolume(params.name!)
  reply.empty(204)
}
