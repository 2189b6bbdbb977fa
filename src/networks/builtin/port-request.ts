/** What may be asked of a port; what passes here is safe to write into a script of rules. */
import { isIPv6 } from 'node:net'
import type { PortRequest, PublishedPort } from '../../engine/ports/network.ts'
import { internal, invalid, notImplemented } from '../../lib/errors.ts'
import { parseAddress } from '../ipv4.ts'
import type { Availability, WantedPort } from './host-ports.ts'

/** Each is an entry in the kernel's maps twice, and a socket bound to see whether it is free. */
const publishedPortsMax = 1024

/** With `''` for every address of the host. Rejects as kind `invalid` or, for IPv6, `not_implemented`. */
export function checkedPublish(request: Pick<PortRequest, 'publish'>): readonly PublishedPort[] {
  if (request.publish.length > publishedPortsMax) {
    throw invalid(
      'too_many_ports',
      `${request.publish.length} ports are to be published; a container may have ${publishedPortsMax}`,
    )
  }
  return request.publish.map((port) => {
    checkPort(port.containerPort, 1)
    checkPort(port.hostPort, 0)
    if (port.hostPortLast !== undefined) checkPort(port.hostPortLast, Math.max(port.hostPort, 1))
    if (port.protocol !== 'tcp' && port.protocol !== 'udp') {
      throw invalid(
        'bad_protocol',
        `${String(port.protocol)} ports cannot be published; only tcp and udp can`,
      )
    }
    return { ...port, hostAddress: checkedHostAddress(port.hostAddress) }
  })
}

function checkPort(port: number, min: number): void {
  if (!Number.isInteger(port) || port < min || port > 65_535) {
    throw invalid('bad_port', `${port} is not a port number (${min} to 65535)`)
  }
}

function checkedHostAddress(address: string): string {
  if (address === '' || address === '0.0.0.0') return ''
  if (parseAddress(address) !== undefined) return address
  if (isIPv6(address)) {
    throw notImplemented(
      'ipv6_not_published',
      `ports are published on IPv4 addresses only, not on ${address}; leave the address out`,
    )
  }
  throw invalid('bad_address', `${address} is not an address of the host`)
}

/** In dockerd's words: clients and people look for them. */
export function portNotTaken(portId: string, port: WantedPort, why: Exclude<Availability, 'free'>): Error {
  const where = `${port.hostAddress || '0.0.0.0'}:${port.hostPort}`
  const endpoint = `driver failed programming external connectivity on endpoint ${portId}`
  if (why === 'no such address') {
    return internal(
      'no_such_host_address',
      `${endpoint}: listen ${port.protocol}4 ${where}: bind: cannot assign requested address`,
    )
  }
  if (port.hostPort === 0) {
    return internal('port_in_use', `${endpoint}: all ports are allocated`)
  }
  if (port.hostPortLast !== undefined) {
    return internal(
      'port_in_use',
      `${endpoint}: Bind for ${where}-${port.hostPortLast} failed: all ports are allocated`,
    )
  }
  return internal('port_in_use', `${endpoint}: Bind for ${where} failed: port is already allocated`)
}
