/**
 * A network's namespace with its links, brought from whatever is there to what should be:
 *
 *     host │ hb1a2b3c4du ══ veth, a /30 ══ up0 │ hb-1a2b3c4d: rules │ br0 (gateway) ── t5e6f7a8b (card of a sandbox)
 *
 * Every step may be repeated, and a daemon killed between two of them leaves what the next one completes.
 */
import { readdir, rm, writeFile } from 'node:fs/promises'
import type { Log } from '../../lib/log.ts'
import { formatAddress, macOf, parseAddress, parseSubnet } from '../ipv4.ts'
import type { NetworkRecord } from '../ports/records.ts'
import { ipBatch, ipList, namespaceExists, sysctls } from './commands.ts'
import { type NetworkNames, namespaceDirectory, uplinkInside } from './names.ts'

export interface Transit {
  readonly host: string
  readonly inside: string
}

/** The two ends of the link: the second and third address of its /30. */
export function transitOf(network: NetworkRecord): Transit {
  const base = parseSubnet(network.transit4)!.base
  return { host: formatAddress(base + 1), inside: formatAddress(base + 2) }
}

/**
 * Number of the bridge's link, the same in every namespace: so a card can be moved to another's and put onto the bridge there in one
 * step. Far from those that the kernel gives.
 */
const bridgeIndex = 1_000_000

/** What of a namespace exists already. */
export interface LinksFound {
  readonly bridge: boolean
  readonly uplink: boolean
}

/** `ip` commands for the host, then for the namespace. */
export function linkCommands(
  network: NetworkRecord,
  names: NetworkNames,
  mtu: number,
  found: LinksFound,
): { readonly host: readonly string[]; readonly inside: readonly string[] } {
  const transit = transitOf(network)
  const prefix = parseSubnet(network.subnet4)!.prefix
  return {
    host: [
      ...(found.uplink
        ? []
        : [`link add ${names.uplink} type veth peer name ${uplinkInside} netns ${names.namespace}`]),
      `addr replace ${transit.host}/30 dev ${names.uplink}`,
      `link set ${names.uplink} mtu ${mtu} up`,
    ],
    inside: [
      'link set lo up',
      ...(found.bridge
        ? []
        : [`link add br0 index ${bridgeIndex} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`]),
      // An address of its own, else the bridge takes the lowest of its cards' and changes it as they come and go.
      `link set br0 address ${macOf(parseAddress(network.gateway4)!)} mtu ${mtu} up`,
      `addr replace ${network.gateway4}/${prefix} dev br0`,
      `addr replace ${transit.inside}/30 dev ${uplinkInside}`,
      `link set ${uplinkInside} mtu ${mtu} up`,
      `route replace default via ${transit.host}`,
    ],
  }
}

const insideSettings = {
  'net.ipv4.ip_forward': '1',
  // No IPv6 yet: then none at all, so that nothing speaks it round the rules.
  'net.ipv6.conf.all.disable_ipv6': '1',
  'net.ipv6.conf.default.disable_ipv6': '1',
  // What one sandbox sends another over the bridge is not routed and must not be translated.
  'net.bridge.bridge-nf-call-iptables': '0',
  'net.bridge.bridge-nf-call-arptables': '0',
  'net.bridge.bridge-nf-call-ip6tables': '0',
}

/**
 * Builds or completes all of it but the rules, and answers the number of the bridge's link. `close` is called when the namespace can be entered and before it is
 * linked to the host: it puts the rules in place, so that there is no moment without them.
 */
export async function buildLinks(
  network: NetworkRecord,
  names: NetworkNames,
  mtu: number,
  close: () => Promise<void>,
): Promise<number> {
  const isNew = !(await namespaceExists(names.netns))
  if (isNew) {
    await rm(names.netns, { force: true })
    await ipBatch([`netns add ${names.namespace}`])
  }
  await Promise.all([sysctls(insideSettings, names.netns), close()])
  const links = isNew ? [] : await ipList(['link', 'show'], names.namespace)
  const find = (name: string) => (links as readonly Link[]).find(({ ifname }) => ifname === name)
  const has = (name: string) => find(name) !== undefined
  const { host, inside } = linkCommands(network, names, mtu, {
    bridge: has('br0'),
    uplink: has(uplinkInside),
  })
  // Of a namespace that was deleted while somebody was in it, the host's end lives on until they go.
  if (!has(uplinkInside)) await removeUplink(names)
  await ipBatch(host)
  await openUplink(names.uplink)
  await ipBatch(inside, names.namespace)
  return Number(find('br0')?.ifindex ?? bridgeIndex)
}

interface Link {
  readonly ifname?: unknown
  readonly ifindex?: unknown
}

/** Answers to what 127.0.0.1 asked of a published port come back over this link: there, and only there, they may. */
async function openUplink(uplink: string): Promise<void> {
  await writeFile(`/proc/sys/net/ipv4/conf/${uplink}/route_localnet`, '1')
  await writeFile(`/proc/sys/net/ipv6/conf/${uplink}/disable_ipv6`, '1').catch(
    (error: NodeJS.ErrnoException) => {
      // A kernel without IPv6 has nothing to switch off.
      if (error.code !== 'ENOENT') throw error
    },
  )
}

/** The host's end of the link, if there is one. */
async function removeUplink(names: NetworkNames): Promise<void> {
  const isThere = async () =>
    (await ipList(['link', 'show', 'type', 'veth'])).some(
      (link) => (link as { ifname?: unknown }).ifname === names.uplink,
    )
  if (!(await isThere())) return
  try {
    await ipBatch([`link del ${names.uplink}`])
  } catch (error) {
    // It may go by itself, when the last of its namespace does.
    if (await isThere()) throw error
  }
}

/** Also when half of it is missing. The link first: the kernel takes its time over the namespace. */
export async function removeLinks(names: NetworkNames): Promise<void> {
  await removeUplink(names)
  if (await namespaceExists(names.netns)) await ipBatch([`netns del ${names.namespace}`])
  else await rm(names.netns, { force: true })
}

/** Namespaces with our prefix that no record names are not ours to remove: they may be another daemon's. */
export async function warnOfStrays(prefix: string, ours: readonly NetworkNames[], log: Log): Promise<void> {
  const found = await readdir(namespaceDirectory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const known = new Set(ours.map((names) => names.namespace))
  const strays = found.filter((name) => name.startsWith(`${prefix}-`) && !known.has(name))
  if (strays.length === 0) return
  log.warn(
    { namespaces: strays },
    'namespaces with our prefix are in no record: another daemon needs a --network-prefix of its own; else remove them with `ip netns del`',
  )
}
