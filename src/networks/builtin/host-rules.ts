/**
 * The rules on the host, as text for `nft -f -`: one table, in which a network is the name and the addresses of its
 * link, and a tenant's addresses do not appear. In: published ports, translated to the link's inner end. Out: masquerade.
 * To the host itself: nothing but answers and ping.
 */
import type { PortRecord } from '../ports/records.ts'

export interface HostNetwork {
  /** The link's end on the host. */
  readonly uplink: string
  /** The address of the other end. */
  readonly transitInside: string
  /** Only those that are plugged count. */
  readonly ports: Iterable<PortRecord>
}

/** nftables takes 128 with the terminator. */
const ownerCharactersMax = 120

/** The whole table, replacing what is there in one transaction. `owner`: for who lists it, whose it is. */
export function hostTable(table: string, owner: string, networks: Iterable<HostNetwork>): string {
  const elements = [...networks].map(
    (network) =>
      networkElements(table, network) +
      [...network.ports].map((port) => publishElements(table, network.transitInside, port)).join(''),
  )
  return `add table inet ${table}
delete table inet ${table}
table inet ${table} {
  comment "${owner.replaceAll(/[^\w./-]/g, '_').slice(0, ownerCharactersMax)}"
  set uplinks { type ifname; }
  set transits { type ipv4_addr; }
  map published-anywhere { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map published-at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  chain published {
    dnat ip to ip daddr . meta l4proto . th dport map @published-at
    fib daddr type local dnat ip to meta l4proto . th dport map @published-anywhere
  }
  chain arriving {
    type nat hook prerouting priority dstnat; policy accept;
    meta l4proto { tcp, udp } jump published
  }
  chain from-host {
    type nat hook output priority -100; policy accept;
    meta l4proto { tcp, udp } jump published
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    # Also what goes from one network to a published port of another, or of itself: the answer must pass here again.
    ip saddr @transits masquerade
    oifname @uplinks ip saddr 127.0.0.0/8 masquerade
  }
  chain to-host {
    type filter hook input priority filter; policy accept;
    iifname != @uplinks accept
    ct state established,related accept
    icmp type echo-request accept
    drop
  }
  chain through {
    type filter hook forward priority filter; policy accept;
    # The metadata service of the cloud this host may stand in would hand its credentials to any sandbox.
    iifname @uplinks ip daddr 169.254.0.0/16 drop
    iifname @uplinks meta nfproto != ipv4 drop
    iifname @uplinks ip saddr != @transits drop
    iifname @uplinks oifname != @uplinks accept
    oifname != @uplinks accept
    ct state established,related accept
    ct status dnat accept
    drop
  }
}
${elements.join('')}`
}

export function networkElements(table: string, network: HostNetwork): string {
  return `add element inet ${table} uplinks { "${network.uplink}" }
add element inet ${table} transits { ${network.transitInside} }
`
}

export function withoutNetworkElements(table: string, network: HostNetwork): string {
  return [`uplinks { "${network.uplink}" }`, `transits { ${network.transitInside} }`]
    .map((element) => `add element inet ${table} ${element}\ndelete element inet ${table} ${element}\n`)
    .join('')
}

/** What publishes a plugged port's ports; nothing for one that has none or is not plugged. */
export function publishElements(table: string, transitInside: string, port: PortRecord): string {
  return elementsOf(table, transitInside, port)
    .map((element) => `add element ${element}\n`)
    .join('')
}

export function unpublishElements(table: string, transitInside: string, port: PortRecord): string {
  return elementsOf(table, transitInside, port)
    .map((element) => `add element ${element}\ndelete element ${element}\n`)
    .join('')
}

function elementsOf(table: string, transitInside: string, port: PortRecord): string[] {
  if (port.tap === null) return []
  return port.published.map(({ protocol, hostAddress, hostPort, transitPort }) => {
    const target = `${transitInside} . ${transitPort}`
    return hostAddress === ''
      ? `inet ${table} published-anywhere { ${protocol} . ${hostPort} : ${target} }`
      : `inet ${table} published-at { ${hostAddress} . ${protocol} . ${hostPort} : ${target} }`
  })
}
