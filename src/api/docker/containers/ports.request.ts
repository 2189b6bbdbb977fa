/** Ports and networks of a container request. */
import { isIP } from 'node:net'
import type { PublishedPort } from '../../../engine/ports/network.ts'
import { invalid, notImplemented } from '../../../lib/errors.ts'
import { clip } from '../query.ts'
import type { CreateBody, HostConfig, NetworkingConfig } from './containers.schema.ts'

export interface DefaultNetwork {
  readonly id: string
  readonly name: string
  readonly gateway4: string
}

/** `80` is `80/tcp`. */
export function exposedPorts(body: CreateBody): string[] {
  return body.ExposedPorts.map((text) => {
    const { port, protocol } = parsePort(text)
    return `${port}/${protocol}`
  })
}

export function publishedPorts(config: HostConfig): PublishedPort[] {
  return Object.entries(config.PortBindings).flatMap(([text, bindings]) => {
    const { port, protocol } = parsePort(text)
    return (bindings ?? []).map((binding) => ({
      protocol: publishable(protocol, text),
      containerPort: port,
      hostAddress: hostAddress(binding.HostIp),
      ...hostPorts(binding.HostPort),
    }))
  })
}

function parsePort(text: string): { port: number; protocol: string } {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text)
  const port = Number(match?.[1])
  if (!match || port < 1 || port > 65_535) {
    throw invalid('bad_port', `invalid port specification: "${clip(text)}"`)
  }
  return { port, protocol: (match[2] ?? 'tcp').toLowerCase() }
}

function publishable(protocol: string, text: string): 'tcp' | 'udp' {
  if (protocol === 'tcp' || protocol === 'udp') return protocol
  throw notImplemented('unsupported_option', `${text} cannot be published: only tcp and udp can`)
}

function hostAddress(address: string): string {
  if (address === '' || isIP(address)) return address
  throw invalid('bad_address', `invalid IP address: ${clip(address)}`)
}

/** One, any free one (none or 0), or the first free one of a range (`8000-8010`). */
function hostPorts(text: string): Pick<PublishedPort, 'hostPort' | 'hostPortLast'> {
  if (text === '') return { hostPort: 0 }
  const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const [hostPort, hostPortLast] = [Number(first), Number(last ?? first)]
  if (first === undefined || hostPort > 65_535 || hostPortLast > 65_535) {
    throw invalid(
      'bad_port',
      `invalid host port "${clip(text)}": must be a number from 0 to 65535, or a range as 8000-8010`,
    )
  }
  if (hostPortLast < hostPort || (last !== undefined && hostPort === 0)) {
    throw invalid('bad_port', `invalid range of host ports "${clip(text)}": must go from 1 or more upwards`)
  }
  return hostPortLast === hostPort ? { hostPort } : { hostPort, hostPortLast }
}

/** Names under which the default network may be asked for. */
export const defaultNetworkNames: readonly string[] = ['', 'default', 'bridge']

/** Which network, and the address of the card if one was asked for. `lookUp` is asked only for names not known to all. */
export async function networkOf(
  body: CreateBody,
  lookUp: () => Promise<DefaultNetwork>,
): Promise<{ network: 'default' | 'none'; macAddress?: string }> {
  const mode = body.HostConfig.NetworkMode
  if (mode === 'none' || body.NetworkDisabled) return { network: 'none' }
  await checkIsDefault(mode, lookUp)
  const macAddress = (await endpointMac(body.NetworkingConfig, lookUp)) || body.MacAddress
  if (macAddress === '') return { network: 'default' }
  if (!/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(macAddress)) {
    throw invalid('bad_mac', `invalid MAC address: ${clip(macAddress)}`)
  }
  return { network: 'default', macAddress: macAddress.toLowerCase().replaceAll('-', ':') }
}

async function checkIsDefault(name: string, lookUp: () => Promise<DefaultNetwork>): Promise<void> {
  if (defaultNetworkNames.includes(name)) return
  const known = await lookUp()
  if (name === known.id || name === known.name || (name.length >= 12 && known.id.startsWith(name))) return
  throw invalid(
    'no_such_network',
    `network ${clip(name)} not found: there are only "bridge" and "none" as yet`,
  )
}

async function endpointMac(config: NetworkingConfig, lookUp: () => Promise<DefaultNetwork>): Promise<string> {
  const endpoints = Object.entries(config.EndpointsConfig)
  if (endpoints.length > 1) {
    throw notImplemented('unsupported_option', 'a container cannot be connected to several networks yet')
  }
  for (const [name, endpoint] of endpoints) {
    await checkIsDefault(name, lookUp)
    if (endpoint?.IPAMConfig?.IPv4Address || endpoint?.IPAMConfig?.IPv6Address) {
      throw invalid('fixed_address', 'user specified IP address is supported on user defined networks only')
    }
    if (endpoint && endpoint.Aliases.length > 0) {
      throw invalid('alias', 'network-scoped alias is supported only for containers in user defined networks')
    }
    return endpoint?.MacAddress ?? ''
  }
  return ''
}

/** `name:address`; `host-gateway` is the address under which the network's gateway answers. */
export async function extraHosts(
  hosts: readonly string[],
  lookUp: () => Promise<DefaultNetwork>,
): Promise<string[]> {
  const known: string[] = []
  for (const host of hosts) {
    const at = host.search(/[:=]/)
    const name = host.slice(0, Math.max(at, 0))
    const address = host.slice(at + 1).replace(/^\[(.*)\]$/, '$1')
    if (name === '' || /\s/.test(name) || (address !== 'host-gateway' && !isIP(address))) {
      throw invalid('bad_host', `bad format for add-host: "${clip(host)}"`)
    }
    known.push(`${name}:${address === 'host-gateway' ? (await lookUp()).gateway4 : address}`)
  }
  return known
}
