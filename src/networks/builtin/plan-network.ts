/** What a new network is to be called and which addresses it gets, looking at the host. */
import { readFile } from 'node:fs/promises'
import { exhausted, forbidden, hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { formatAddress, formatSubnet, overlaps, parseSubnet, type Subnet } from '../ipv4.ts'
import type { NetworkRecord, NetworkSettings } from '../ports/records.ts'
import { hostResolvConfFiles, parseResolvConf } from '../resolv-conf.ts'
import { chooseSubnet, chooseTransit, pooledSubnets } from './allocate.ts'
import { routedSubnets } from './host.ts'

/** Where links go when the host has routes into the range asked for: benchmarks, and what carriers use. */
const fallbackTransitRanges = ['198.18.0.0/16', '198.19.0.0/16', '100.64.0.0/16', '100.127.0.0/16']

export interface NetworkWish {
  readonly project: string
  readonly name: string
  /** One that the host has no route into is taken instead when the host has one into this; undefined: one of the pool. */
  readonly subnet?: string
  /** Taken as they are. */
  readonly fixed?: { readonly subnet: string; readonly gateway?: string }
  readonly transitRange: string
  readonly settings: NetworkSettings
}

/** Rejects with code `no_subnet` when everything is in use. Networks may share a subnet, but no link another's /30. */
export async function planNetwork(
  wish: NetworkWish,
  networks: readonly NetworkRecord[],
): Promise<NetworkRecord> {
  const id = newUnlike(networks.map((network) => network.id))
  const routed = [...(await routedSubnets()), ...(await nameservers())]
  const fixed = wish.fixed && parseSubnet(wish.fixed.subnet)!
  const own = networks
    .filter(({ project }) => project === wish.project)
    .map(({ subnet4 }) => parseSubnet(subnet4)!)
  // In dockerd's words.
  if (fixed && own.some((other) => overlaps(fixed, other))) {
    throw forbidden('subnet_overlaps', 'Pool overlaps with other one on this address space')
  }
  const links = [
    ...routed,
    ...(fixed ? [fixed] : []),
    ...networks.map((network) => parseSubnet(network.transit4)!),
  ]
  // Two daemons that look at the same moment most likely look at different places.
  const start = Number.parseInt(id.slice(0, 8), 16)
  const transit = [wish.transitRange, ...fallbackTransitRanges]
    .values()
    .map((range) => chooseTransit(parseSubnet(range)!, links, start))
    .find((found) => found !== undefined)
  if (!transit) throw exhausted('no_subnet', 'the host has routes into every range for links to networks')
  const subnet = fixed ?? chooseFor(wish, [...routed, ...own, transit])
  return {
    id,
    project: wish.project,
    name: wish.name,
    subnet4: formatSubnet(subnet),
    gateway4: wish.fixed?.gateway ?? formatAddress(subnet.base + 1),
    transit4: formatSubnet(transit),
    createdAtMs: Date.now(),
    settings: wish.settings,
  }
}

function chooseFor(wish: NetworkWish, taken: readonly Subnet[]): Subnet {
  const subnet =
    wish.subnet === undefined
      ? chooseSubnet(null, taken, pooledSubnets)
      : chooseSubnet(parseSubnet(wish.subnet)!, taken)
  if (subnet) return subnet
  throw exhausted(
    'no_subnet',
    'all predefined address pools have been fully subnetted: name a subnet, or remove networks',
  )
}

/** Names on the host come from the first 8 characters. */
function newUnlike(ids: readonly string[]): string {
  for (;;) {
    const id = newId()
    if (!ids.some((other) => other.slice(0, 8) === id.slice(0, 8))) return id
  }
}

/** A network that covers the name server's address would hide it. */
async function nameservers(): Promise<readonly Subnet[]> {
  try {
    const { nameservers } = parseResolvConf(await readFile(hostResolvConfFiles.host, 'utf8'))
    return nameservers.map(parseSubnet).filter((subnet) => subnet !== undefined)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}
