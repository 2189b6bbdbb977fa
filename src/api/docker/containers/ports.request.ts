/** Ports of a container request, and hosts it is told of. */
import { isIP } from 'node:net'
import type { PublishedPort } from '../../../engine/ports/network.ts'
import { invalid, notImplemented } from '../../../lib/errors.ts'
import { clip } from '../query.ts'
import type { CreateBody, HostConfig } from './containers.schema.ts'

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
    throw invalid('bad_port', `invalid port specification: "${clip(text.split('/')[0]!)}"`)
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
    throw invalid('bad_port', `invalid port specification: "${clip(text)}"`)
  }
  if (hostPortLast < hostPort || (last !== undefined && hostPort === 0)) {
    throw invalid('bad_port', `invalid port specification: "${clip(text)}"`)
  }
  return hostPortLast === hostPort ? { hostPort } : { hostPort, hostPortLast }
}

/** `name:address`; `host-gateway` is the address under which the network's gateway answers. */
export function extraHosts(hosts: readonly string[]): string[] {
  return hosts.map((host) => {
    const at = host.search(/[:=]/)
    const name = host.slice(0, Math.max(at, 0))
    const address = host.slice(at + 1).replace(/^\[(.*)\]$/, '$1')
    if (name === '' || /\s/.test(name)) {
      throw invalid('bad_host', `bad format for add-host: "${clip(host)}"`)
    }
    if (address !== 'host-gateway' && !isIP(address)) {
      throw invalid('bad_host', `invalid IP address in add-host: "${clip(address)}"`)
    }
    return `${name}:${address}`
  })
}
