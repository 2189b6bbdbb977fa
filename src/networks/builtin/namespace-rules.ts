/**
 * The rules inside a network's namespace, as text for `nft -f -`.
 *
 * `bridge hb` guards the cards: what a card sends must bear the addresses of the port plugged into it, and a card that
 * has none neither sends nor gets anything. So plugging a port is adding elements here, in one transaction.
 * `inet hb` joins the bridge with the link to the host: out by masquerade, in by published ports, nothing else.
 */
import type { PortRecord } from '../ports/records.ts'
import { cardNamePrefix, uplinkInside } from './names.ts'

export interface NamespaceState {
  readonly gateway4: string
  /** The host's end of the link. */
  readonly transitHost: string
  readonly transitInside: string
  /** No way out, and none in. */
  readonly internal: boolean
  /** Something answers for names at the gateway. */
  readonly hasNames: boolean
  /** Only those that are plugged count. */
  readonly ports: Iterable<PortRecord>
}

/** The whole of it, replacing what is there in one transaction: packets see the old rules or the new ones. */
export function namespaceTables(state: NamespaceState): string {
  const cards = `iifname != "${cardNamePrefix}*"`
  const notNames = state.hasNames ? ' th dport != 53' : ''
  const arriving = `
    iifname "${uplinkInside}" ip daddr ${state.transitInside} dnat ip to meta l4proto . th dport map @published
    # The gateway stands for the host, as a bridge's address does with Docker: published ports answer there.
    iifname "br0" ip daddr ${state.gateway4} meta l4proto { tcp, udp }${notNames} dnat ip to ${state.transitHost}`
  const through = `
    iifname "br0" oifname "${uplinkInside}" accept
    iifname "${uplinkInside}" ct state established,related accept
    iifname "${uplinkInside}" ct status dnat accept`
  const asked = `
    ip saddr . ip daddr @asking meta l4proto { tcp, udp } th dport 53 dnat ip to ${state.gateway4}`
  const names = `
    iifname "br0" ip daddr ${state.gateway4} meta l4proto { tcp, udp } th dport 53 accept`
  return `add table bridge hb
delete table bridge hb
table bridge hb {
  set macs { type ifname . ether_addr; }
  set addresses { type ifname . ether_addr . ipv4_addr; }
  set plugged { type ifname; }
  chain from-cards {
    type filter hook prerouting priority -300; policy accept;
    ${cards} accept
    iifname . ether saddr != @macs drop
    ether type ip iifname . ether saddr . ip saddr @addresses accept
    ether type arp iifname . arp saddr ether . arp saddr ip @addresses accept
    drop
  }
  chain to-cards {
    type filter hook postrouting priority 0; policy accept;
    oifname "${cardNamePrefix}*" oifname != @plugged drop
  }
}
add table inet hb
delete table inet hb
table inet hb {
  # Who asks for names at the gateway of a network that it may have left: address, and where it asks.
  set asking { type ipv4_addr . ipv4_addr; }
  map published { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain arriving {
    type nat hook prerouting priority dstnat; policy accept;${state.hasNames ? asked : ''}${state.internal ? '' : arriving}
  }
  chain to-gateway {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    icmp type echo-request accept${state.hasNames ? names : ''}
  }
  chain through {
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    iifname "br0" oifname "br0" accept${state.internal ? '' : through}
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${uplinkInside}" masquerade
  }
}
${[...state.ports].map(plugElements).join('')}`
}

/** What plugs a port into its card; nothing for one that has none. */
export function plugElements(port: PortRecord): string {
  return elementsOf(port)
    .map((element) => `add element ${element}\n`)
    .join('')
}

/** Takes it away again. Deleting what is not there is an error to nft, and adding what is there is none: so both. */
export function unplugElements(port: PortRecord): string {
  return elementsOf(port)
    .map((element) => `add element ${element}\ndelete element ${element}\n`)
    .join('')
}

function elementsOf(port: PortRecord): string[] {
  if (port.tap === null) return []
  return [
    `bridge hb macs { "${port.tap}" . ${port.mac} }`,
    `bridge hb addresses { "${port.tap}" . ${port.mac} . ${port.ipv4} }`,
    `bridge hb plugged { "${port.tap}" }`,
    ...(port.naming?.asks4 ? [`inet hb asking { ${port.ipv4} . ${port.naming.asks4} }`] : []),
    ...port.published.map(
      ({ protocol, transitPort, containerPort }) =>
        `inet hb published { ${protocol} . ${transitPort} : ${port.ipv4} . ${containerPort} }`,
    ),
  ]
}
