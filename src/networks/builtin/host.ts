/** What networks ask of the host they are on, and the one thing they switch on there. */
import { readFile, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { hasCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { parseSubnet, type Subnet } from '../ipv4.ts'
import { ipList } from './commands.ts'

interface Route {
  readonly dst?: unknown
  readonly dev?: unknown
}

/** Every subnet the host has a route to, save by default routes: ours must not overlap them. */
export async function routedSubnets(): Promise<readonly Subnet[]> {
  const routes = (await ipList(['-4', 'route', 'show', 'table', 'all'])) as readonly Route[]
  return routes
    .map((route) => (typeof route.dst === 'string' ? parseSubnet(route.dst) : undefined))
    .filter((subnet) => subnet !== undefined && subnet.prefix > 0) as Subnet[]
}

/** What Ethernet carries everywhere; a host with jumbo frames must not assume them of the world. */
const mtuMax = 1500
/** The least that IPv6 and sane IPv4 hosts must take. */
const mtuMin = 1280

/** The frame size of the link to the world: a sandbox that sends larger ones would depend on ICMP coming through. */
export async function uplinkMtu(): Promise<number> {
  const routes = (await ipList(['-4', 'route', 'show', 'default'])) as readonly Route[]
  const device = routes[0]?.dev
  if (typeof device !== 'string') return mtuMax
  const mtu = Number(await readFile(`/sys/class/net/${device}/mtu`, 'utf8'))
  return Math.max(mtuMin, Math.min(mtuMax, mtu))
}

const forwardingSwitch = '/proc/sys/net/ipv4/ip_forward'

export async function ensureForwarding(log: Log): Promise<void> {
  if ((await readFile(forwardingSwitch, 'utf8')).trim() === '1') return
  await writeFile(forwardingSwitch, '1')
  log.warn(
    { file: forwardingSwitch },
    'IPv4 forwarding was off and is on now: sandboxes need it; the host forwards between its other links too unless its firewall forbids',
  )
}

export function isHostAddress(address: string): boolean {
  if (address.startsWith('127.')) return true
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((entry) => entry.address === address),
  )
}

export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Docker's, where the kernel does not say. */
const fallbackPortRange: PortRange = { from: 49_153, to: 60_999 }

/** Where ports nobody named are chosen from: as Docker, the kernel's range for outgoing connections. */
export async function ephemeralPorts(): Promise<PortRange> {
  try {
    const [from, to] = (await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'))
      .split(/\s+/)
      .map(Number)
    if (from !== undefined && to !== undefined && from > 0 && from <= to && to <= 65_535) return { from, to }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  return fallbackPortRange
}
