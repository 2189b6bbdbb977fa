/**
 * Choosing among addresses and ports. All of it is arithmetic on what is taken; who calls stores the choice before
 * anything is told of it.
 */
import { contains, overlaps, type Subnet, sizeOf } from '../ipv4.ts'

/** Subnets to fall back on when the one asked for is in use on the host: Docker's own, then the rest of 10/8. */
export const fallbackSubnets: readonly Subnet[] = [
  ...Array.from({ length: 16 }, (_, n) => ({ base: (172 * 256 + 16 + n) * 65_536, prefix: 16 })),
  ...Array.from({ length: 256 }, (_, n) => ({ base: (10 * 256 + n) * 65_536, prefix: 16 })),
]

/** Where networks get theirs that ask for none: Docker's own, without the one that its default bridge has. */
export const pooledSubnets: readonly Subnet[] = [
  ...Array.from({ length: 14 }, (_, n) => ({ base: (172 * 256 + 18 + n) * 65_536, prefix: 16 })),
  ...Array.from({ length: 16 }, (_, n) => ({ base: ((192 * 256 + 168) * 256 + n * 16) * 256, prefix: 20 })),
]

/** The one wanted if nothing of `taken` overlaps it, else the first of `others` of which that is true. */
export function chooseSubnet(
  wanted: Subnet | null,
  taken: readonly Subnet[],
  others: readonly Subnet[] = fallbackSubnets,
): Subnet | undefined {
  return [...(wanted ? [wanted] : []), ...others].find(
    (subnet) => !taken.some((other) => overlaps(subnet, other)),
  )
}

/** A /30 of `range` that overlaps nothing in `taken`; the search begins at the `start`-th and goes round. */
export function chooseTransit(range: Subnet, taken: readonly Subnet[], start: number): Subnet | undefined {
  const count = sizeOf(range) / 4
  for (let n = 0; n < count; n++) {
    const transit = { base: range.base + ((start + n) % count) * 4, prefix: 30 }
    if (!taken.some((other) => overlaps(transit, other))) return transit
  }
  return undefined
}

/**
 * The next free address after `last`, going round: an address given back is given again only when all others had their
 * turn, so that what still talks to its earlier owner does not reach the next. Never the first, the last or the gateway of
 * the subnet; only from `range`, a part of it.
 */
export function nextAddress(
  subnet: Subnet,
  gateway: number,
  isTaken: (address: number) => boolean,
  last: number,
  range: Subnet = subnet,
): number | undefined {
  const size = sizeOf(range)
  const from = contains(range, last) ? last - range.base : -1
  for (let n = 1; n <= size; n++) {
    const address = range.base + ((from + n) % size)
    if (isUsable(subnet, gateway, address) && !isTaken(address)) return address
  }
  return undefined
}

/** Whether an address asked for can be given at all. */
export function isUsable(subnet: Subnet, gateway: number, address: number): boolean {
  const offset = address - subnet.base
  return contains(subnet, address) && offset !== 0 && offset !== sizeOf(subnet) - 1 && address !== gateway
}

/** Ports of the namespace's outer address start here when the host's own number is taken there. */
const transitPortsFrom = 1024
const transitPortsTo = 65_535

/**
 * Where a published port enters the namespace: the host's port number if it is free there (two addresses of the host
 * may publish the same number), else any other.
 */
export function chooseTransitPort(wanted: number, isTaken: (port: number) => boolean): number | undefined {
  if (!isTaken(wanted)) return wanted
  for (let port = transitPortsTo; port >= transitPortsFrom; port--) if (!isTaken(port)) return port
  return undefined
}
