/** A container's network in Docker's JSON: its ports three ways, its addresses two. */
import type { Container, ContainerPort, NetworkAttachment } from '../../../engine/model.ts'
import type { PublishedPort } from '../../../engine/ports/network.ts'
import { shortId } from '../../../lib/ids.ts'
import { isUp } from './state.present.ts'

/** The default network, under the name every client knows. */
export const bridgeName = 'bridge'

/** Docker forgets the addresses of a container that does not run. */
const livePorts = (container: Container): readonly ContainerPort[] => (isUp(container) ? container.ports : [])

/** `{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"90/tcp":null}` */
export function portMap(container: Container): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const live = livePorts(container)
  if (live.length === 0) return {}
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {}
  for (const exposed of container.spec.exposedPorts) ports[withProtocol(exposed)] = null
  for (const published of live.flatMap((port) => port.published)) {
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

/** The fields beside `Networks` are, as in Docker, those of the default network. */
export function networkSettings(container: Container) {
  const live = isUp(container)
  const port = livePorts(container).find(({ networkName }) => networkName === bridgeName)
  const [address = '', prefix = '0'] = port?.ipv4.split('/') ?? []
  return {
    Bridge: '',
    SandboxID: live ? (container.sandbox?.id ?? '') : '',
    SandboxKey: live ? (container.sandbox?.nic?.netns ?? '') : '',
    Ports: portMap(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: port?.id ?? '',
    Gateway: port?.gateway4 ?? '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: address,
    IPPrefixLen: Number(prefix),
    IPv6Gateway: '',
    MacAddress: port?.mac ?? '',
    Networks: networks(container),
  }
}

export function networks(container: Container) {
  const ports = livePorts(container)
  return Object.fromEntries(
    container.spec.attachments.map((attachment) => [
      attachment.name,
      endpointSettings(
        container,
        attachment,
        ports.find(({ networkName }) => networkName === attachment.name),
      ),
    ]),
  )
}

function endpointSettings(
  { id, name, spec }: Container,
  attachment: NetworkAttachment,
  port: ContainerPort | undefined,
) {
  const [address = '', prefix = '0'] = port?.ipv4.split('/') ?? []
  const { aliases, links, ipv4 } = attachment
  const isOwn = attachment.network.length === 64
  return {
    IPAMConfig: ipv4 ? { IPv4Address: ipv4 } : isOwn ? {} : null,
    Links: links.length > 0 ? links : null,
    // Clients of before 1.45 look for the short id among them.
    Aliases: isOwn ? [...new Set([...aliases, shortId(id)])] : null,
    MacAddress: port?.mac ?? '',
    DriverOpts: null,
    GwPriority: attachment.gatewayPriority,
    NetworkID: port?.network ?? (isOwn ? attachment.network : ''),
    EndpointID: port?.id ?? '',
    Gateway: port?.gateway4 ?? '',
    IPAddress: address,
    IPPrefixLen: Number(prefix),
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: isOwn ? [...new Set([name, ...aliases, shortId(id), spec.hostname])] : null,
  }
}
