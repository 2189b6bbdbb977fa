/** A container's network in Docker's JSON: its ports three ways, its addresses two. */
import type { Container } from '../../../engine/model.ts'
import type { Port, PublishedPort } from '../../../engine/ports/network.ts'
import { isUp } from './state.present.ts'

/** The only network there is, under the name every client knows. */
export const bridgeName = 'bridge'

/** Docker forgets the addresses of a container that does not run. */
const livePort = (container: Container): Port | null => (isUp(container) ? container.port : null)

/** `{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"90/tcp":null}` */
export function portMap(container: Container): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const port = livePort(container)
  if (!port) return {}
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {}
  for (const exposed of container.spec.exposedPorts) ports[withProtocol(exposed)] = null
  for (const published of port.published) {
    const key = `${published.containerPort}/${published.protocol}`
    const binding = { HostIp: addressOf(published), HostPort: String(published.hostPort) }
    ports[key] = [...(ports[key] ?? []), binding]
  }
  return ports
}

const withProtocol = (exposed: string): string => (exposed.includes('/') ? exposed : `${exposed}/tcp`)
const addressOf = (published: PublishedPort): string => published.hostAddress || '0.0.0.0'

/** The ports of `docker ps`. */
export function portList(container: Container) {
  const list = Object.entries(portMap(container)).flatMap(([key, bindings]) => {
    const [port, protocol] = key.split('/')
    const own = { PrivatePort: Number(port), Type: protocol }
    if (!bindings) return [own]
    return bindings.map(({ HostIp, HostPort }) => ({ IP: HostIp, ...own, PublicPort: Number(HostPort) }))
  })
  return list.sort((a, b) => a.PrivatePort - b.PrivatePort)
}

export function networkSettings(container: Container) {
  const port = livePort(container)
  const endpoint = endpointSettings(port)
  return {
    Bridge: '',
    SandboxID: port ? (container.sandbox?.id ?? '') : '',
    SandboxKey: port ? (container.sandbox?.nic?.netns ?? '') : '',
    Ports: portMap(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: endpoint.EndpointID,
    Gateway: endpoint.Gateway,
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: endpoint.IPAddress,
    IPPrefixLen: endpoint.IPPrefixLen,
    IPv6Gateway: '',
    MacAddress: endpoint.MacAddress,
    Networks: networks(container),
  }
}

export function networks(container: Container) {
  const name = container.spec.network === 'none' ? 'none' : bridgeName
  return { [name]: endpointSettings(livePort(container)) }
}

function endpointSettings(port: Port | null) {
  const [address = '', prefix = '0'] = port?.ipv4.split('/') ?? []
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: port?.mac ?? '',
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: port?.network ?? '',
    EndpointID: port?.id ?? '',
    Gateway: port?.gateway4 ?? '',
    IPAddress: address,
    IPPrefixLen: Number(prefix),
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  }
}
