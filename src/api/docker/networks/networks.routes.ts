/** Networks: the default one under the name every client knows, `none`, and those that users make. */
import type { NetworkView } from '../../../engine/ports/network.ts'
import { forbidden, invalid } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { attachmentOf } from '../containers/attachments.request.ts'
import { Filters, invalidFilter } from '../filters.ts'
import type { Output } from '../output.ts'
import { parseMoment } from '../time.ts'
import { networkJson, noneId, noneJson } from './networks.present.ts'
import { networkRequest } from './networks.request.ts'
import { connectBody, createBody, disconnectBody, inspectQuery, listQuery } from './networks.schema.ts'

export const networkRoutes: readonly Route[] = [
  route('GET', '/networks', list, { query: listQuery }),
  route('GET', '/networks/:id', inspect, { query: inspectQuery }),
  route('POST', '/networks/create', create, { query: noQuery, body: createBody }),
  route('POST', '/networks/prune', prune, { query: listQuery, since: '1.25' }),
  route('POST', '/networks/:id/connect', connect, { query: noQuery, body: connectBody }),
  route('POST', '/networks/:id/disconnect', disconnect, { query: noQuery, body: disconnectBody }),
  route('DELETE', '/networks/:id', remove, { query: noQuery }),
]

/** What filters look at. */
interface Listed {
  readonly id: string
  readonly name: string
  readonly driver: string
  readonly builtIn: boolean
  readonly labels: Readonly<Record<string, string>>
}

async function list({ backends, scope, query, reply }: Exchange<Output<typeof listQuery>>): Promise<void> {
  const filters = new Filters(query.filters, ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'])
  const types = filters.get('type')
  if (types.some((value) => value !== 'builtin' && value !== 'custom')) throw invalidFilter('type', types)
  const dangling = filters.boolean('dangling')
  const matches = ({ id, name, driver, builtIn, labels }: Listed) =>
    filters.allowsPattern('name', [name]) &&
    filters.allowsPattern('id', [id]) &&
    filters.allows('driver', driver) &&
    filters.allows('scope', 'local') &&
    filters.allows('type', builtIn ? 'builtin' : 'custom') &&
    filters.allowsLabels(labels)
  const shown: unknown[] = []
  for (const network of await backends.networks.list(scope)) {
    if (!matches({ ...network, driver: 'bridge', builtIn: network.isDefault })) continue
    if (dangling !== undefined) {
      const used = network.isDefault || (await backends.networks.containersIn(scope, network.id)).length > 0
      if (used === dangling) continue
    }
    shown.push(networkJson(network, []))
  }
  const none = { id: noneId(scope.project), name: 'none', driver: 'null', builtIn: true, labels: {} }
  if (matches(none) && dangling !== true) shown.push(noneJson(scope.project))
  reply.json(200, shown)
}

async function inspect({ backends, scope, params, query, reply }: Exchange<Output<typeof inspectQuery>>) {
  if (query.scope !== '' && query.scope !== 'local') await backends.networks.get(scope, '')
  if (isNone(params.id!, scope.project)) return reply.json(200, noneJson(scope.project))
  const network = await backends.networks.get(scope, params.id!)
  reply.json(200, networkJson(network, await backends.networks.containersIn(scope, network.id)))
}

const isNone = (ref: string, project: string): boolean => ref === 'none' || ref === noneId(project)

async function create({ backends, scope, body, reply }: Exchange<unknown, Output<typeof createBody>>) {
  const { id } = await backends.networks.create(scope, networkRequest(body))
  reply.json(201, { Id: id, Warning: '' })
}

async function prune({ backends, scope, query, reply }: Exchange<Output<typeof listQuery>>): Promise<void> {
  const filters = new Filters(query.filters, ['label', 'label!', 'until'])
  const now = new Date()
  const before = filters.get('until').map((value) => {
    const moment = parseMoment(value, now)
    if (!moment) throw invalidFilter('until', value)
    return moment
  })
  const matches = ({ labels, createdAt }: NetworkView) =>
    filters.allowsLabels(labels) &&
    filters.allowsWithoutLabels(labels) &&
    before.every((moment) => createdAt < moment)
  const pruned = await backends.networks.prune(scope, matches)
  reply.json(200, { NetworksDeleted: pruned.length > 0 ? pruned : null })
}

async function connect(exchange: Exchange<unknown, Output<typeof connectBody>>): Promise<void> {
  const { backends, scope, params, body, reply } = exchange
  if (isNone(params.id!, scope.project)) {
    throw invalid(
      'private_mode',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    )
  }
  const network = await backends.networks.get(scope, params.id!)
  if (body.Container === '') throw invalid('no_container', 'invalid container name or ID: value is empty')
  const attachment = attachmentOf(network, body.EndpointConfig ?? undefined)
  await backends.networks.connect(scope, network.id, body.Container, attachment)
  reply.empty(200)
}

async function disconnect(exchange: Exchange<unknown, Output<typeof disconnectBody>>): Promise<void> {
  const { backends, scope, params, body, reply } = exchange
  if (body.Container === '') throw invalid('no_container', 'invalid container name or ID: value is empty')
  const ref = isNone(params.id!, scope.project) ? 'none' : params.id!
  await backends.networks.disconnect(scope, ref, body.Container)
  reply.empty(200)
}

async function remove({ backends, scope, params, reply }: Exchange): Promise<void> {
  if (isNone(params.id!, scope.project)) {
    throw forbidden('predefined_network', 'none is a pre-defined network and cannot be removed')
  }
  await backends.networks.remove(scope, params.id!)
  reply.empty(204)
}
