/** Networks in Docker's JSON. */
import { createHash } from 'node:crypto'
import type { Container } from '../../../engine/model.ts'
import type { NetworkView } from '../../../engine/ports/network.ts'
import { isUp } from '../containers/state.present.ts'

export function networkJson(network: NetworkView, containers: readonly Container[]) {
  const { ipRange4, auxAddresses } = network
  return {
    ...frame(network.name, network.id, 'bridge'),
    Created: network.createdAt.toISOString(),
    EnableIPv4: true,
    IPAM: {
      Driver: 'default',
      Options: network.isDefault ? null : {},
      Config: [
        {
          Subnet: network.subnet4,
          ...(ipRange4 ? { IPRange: ipRange4 } : {}),
          Gateway: network.gateway4,
          ...(Object.keys(auxAddresses).length > 0 ? { AuxiliaryAddresses: auxAddresses } : {}),
        },
      ],
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Containers: Object.fromEntries(containers.flatMap((container) => endpointsOf(container, network.id))),
    Options: network.isDefault ? { 'com.docker.network.bridge.default_bridge': 'true' } : network.options,
    Labels: network.labels,
  }
}

/** What is called `none`: no network at all. */
export function noneJson(project: string) {
  return {
    ...frame('none', noneId(project), 'null'),
    Created: new Date(0).toISOString(),
    EnableIPv4: false,
    IPAM: { Driver: 'default', Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Containers: {},
    Options: {},
    Labels: {},
  }
}

export const noneId = (project: string): string =>
  createHash('sha256').update(`network none of ${project}`).digest('hex')

function frame(name: string, id: string, driver: string) {
  return {
    Name: name,
    Id: id,
    Scope: 'local',
    Driver: driver,
    EnableIPv6: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
  }
}

function endpointsOf(container: Container, network: string) {
  const port = container.ports.find((each) => each.network === network)
  if (!port || !isUp(container)) return []
  const endpoint = {
    Name: container.name,
    EndpointID: port.id,
    MacAddress: port.mac,
    IPv4Address: port.ipv4,
    IPv6Address: '',
  }
  return [[container.id, endpoint] as const]
}
