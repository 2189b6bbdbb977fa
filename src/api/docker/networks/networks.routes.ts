/** The one network there is, under the name every client knows: `bridge`. */
import { z } from 'zod'
import type { Container } from '../../../engine/model.ts'
import { forbidden, notFound, notImplemented } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { bridgeName } from '../containers/network.present.ts'
import { isUp } from '../containers/state.present.ts'
import { Filters, invalidFilter } from '../filters.ts'
import type { Output } from '../output.ts'
import * as q from '../query.ts'
import { clip } from '../query.ts'
import type { SystemInfo } from '../system/system.present.ts'
import { zeroTime } from '../time.ts'

type DefaultNetwork = SystemInfo['defaultNetwork']

const listQuery = z.looseObject({ filters: q.text })

export const networkRoutes: readonly Route[] = [
  route('GET', '/networks', list, { query: listQuery }),
  route('GET', '/networks/:id', inspect, { query: noQuery }),
  route('POST', '/networks/create', create, { query: noQuery, served: false }),
  route('POST', '/networks/prune', prune, { query: listQuery, since: '1.25' }),
  route('POST', '/networks/:id/connect', connect, { query: noQuery, served: false }),
  route('POST', '/networks/:id/disconnect', connect, { query: noQuery, served: false }),
  route('DELETE', '/networks/:id', remove, { query: noQuery }),
]

async function list({ backends, scope, query, reply }: Exchange<Output<typeof listQuery>>): Promise<void> {
  const filters = new Filters(query.filters, ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'])
  const { defaultNetwork: network } = await backends.system.info(scope)
  const type = filters.get('type')
  if (type.some((value) => value !== 'builtin' && value !== 'custom')) throw invalidFilter('type', type)
  const shown =
    filters.allowsPattern('name', [bridgeName]) &&
    filters.allowsPattern('id', [network.id]) &&
    filters.allows('driver', 'bridge') &&
    filters.allows('scope', 'local') &&
    filters.allows('type', 'builtin') &&
    filters.allowsLabels({}) &&
    filters.boolean('dangling') !== true
  reply.json(200, shown ? [networkJson(network, [])] : [])
}

async function inspect({ backends, scope, params, reply }: Exchange): Promise<void> {
  const { defaultNetwork: network } = await backends.system.info(scope)
  if (!isNamed(network, params.id!)) throw noSuchNetwork(params.id!)
  reply.json(200, networkJson(network, await backends.containers.list(scope)))
}

function isNamed(network: DefaultNetwork, ref: string): boolean {
  return ref === bridgeName || ref === network.name || (ref !== '' && network.id.startsWith(ref))
}

const noSuchNetwork = (ref: string) => notFound('no_such_network', `network ${clip(ref)} not found`)

function create(): void {
  throw notImplemented('no_networks', 'networks of your own are not supported yet: there is one, "bridge"')
}

function prune({ query, reply }: Exchange<Output<typeof listQuery>>): void {
  new Filters(query.filters, ['label', 'label!', 'until'])
  reply.json(200, { NetworksDeleted: null })
}

async function connect({ backends, scope, params }: Exchange): Promise<void> {
  const { defaultNetwork: network } = await backends.system.info(scope)
  if (!isNamed(network, params.id!)) throw noSuchNetwork(params.id!)
  throw notImplemented('no_connect', 'containers cannot be connected to and disconnected from networks yet')
}

async function remove({ backends, scope, params }: Exchange): Promise<void> {
  const { defaultNetwork: network } = await backends.system.info(scope)
  if (!isNamed(network, params.id!)) throw noSuchNetwork(params.id!)
  throw forbidden('predefined_network', `${bridgeName} is a pre-defined network and cannot be removed`)
}

function networkJson(network: DefaultNetwork, containers: readonly Container[]) {
  return {
    Name: bridgeName,
    Id: network.id,
    Created: zeroTime,
    Scope: 'local',
    Driver: 'bridge',
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: [{ Subnet: network.subnet4, Gateway: network.gateway4 }],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(containers.flatMap(endpointOf)),
    Options: { 'com.docker.network.bridge.default_bridge': 'true' },
    Labels: {},
  }
}

function endpointOf(container: Container) {
  const { id, name, port } = container
  if (!port || !isUp(container)) return []
  const endpoint = {
    Name: name,
    EndpointID: port.id,
    MacAddress: port.mac,
    IPv4Address: port.ipv4,
    IPv6Address: '',
  }
  return [[id, endpoint]] as const
}
