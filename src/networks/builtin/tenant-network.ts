/** One network: its record, the ports in it, and the rules and links that its namespace should have. */
import type { NetworkView, Port, PortRequest } from '../../engine/ports/network.ts'
import { exhausted, forbidden, invalid } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { contains, formatAddress, macOf, parseAddress, parseSubnet, type Subnet } from '../ipv4.ts'
import type { NetworkRecord, PortRecord, PublishedRecord } from '../ports/records.ts'
import { chooseTransitPort, isUsable, nextAddress } from './allocate.ts'
import { namespaceExists, nft } from './commands.ts'
import type { HostPort } from './host-ports.ts'
import type { HostNetwork } from './host-rules.ts'
import { buildLinks, type Transit, transitOf } from './links.ts'
import { type NetworkNames, namesOf } from './names.ts'
import { namespaceTables, plugElements, unplugElements } from './namespace-rules.ts'
import { RuleWriter } from './rule-writer.ts'

/** Addresses and ports of a port that is being made: taken, but not yet in a record. */
export interface Reservation {
  readonly mac: string
  readonly ipv4: string
}

export class TenantNetwork {
  readonly record: NetworkRecord
  readonly names: NetworkNames
  readonly transit: Transit
  readonly rules: RuleWriter
  /** By id. Replaced, never changed: the rules are rendered from it at any moment. */
  readonly ports = new Map<string, PortRecord>()
  /** Nothing is added to it any more. */
  isGoing = false
  /** Number of the bridge's link; 0 before it is built. */
  bridgeIndex = 0
  readonly isDefault: boolean
  readonly #subnet: Subnet
  readonly #range: Subnet
  readonly #reserved: ReadonlySet<number>
  readonly #gateway: number
  readonly #mtu: number
  readonly #addresses = new Set<number>()
  readonly #transitPorts = new Set<string>()
  #lastAddress: number

  constructor(
    record: NetworkRecord & { readonly lastIpv4: string | null },
    options: { prefix: string; mtu: number; isDefault: boolean; log: Log },
  ) {
    const { settings } = record
    this.record = record
    this.isDefault = options.isDefault
    this.names = namesOf(options.prefix, record.id)
    this.transit = transitOf(record)
    this.#subnet = parseSubnet(record.subnet4)!
    this.#range = settings.ipRange4 ? parseSubnet(settings.ipRange4)! : this.#subnet
    this.#reserved = new Set(Object.values(settings.auxAddresses).map((address) => parseAddress(address)!))
    this.#gateway = parseAddress(record.gateway4)!
    this.#lastAddress = parseAddress(record.lastIpv4 ?? record.gateway4)!
    this.#mtu = settings.mtu || options.mtu
    this.rules = new RuleWriter({
      what: this.names.namespace,
      apply: (script) => nft(script, this.names.netns),
      render: () => this.tables(),
      log: options.log,
    })
  }

  get mtu(): number {
    return this.#mtu
  }

  /** The address given last; one that was asked for does not count. */
  get lastAddress(): string {
    return formatAddress(this.#lastAddress)
  }

  view(): NetworkView {
    const { id, name, subnet4, gateway4, createdAtMs, settings } = this.record
    const { mtu: _, ...rest } = settings
    const { isDefault } = this
    return { id, name, createdAt: new Date(createdAtMs), isDefault, subnet4, gateway4, ...rest }
  }

  /** What the host's rules need to know of it. */
  forHost(): HostNetwork {
    return {
      uplink: this.names.uplink,
      transitInside: this.transit.inside,
      ports: this.ports.values(),
    }
  }

  tables(): string {
    return namespaceTables({
      gateway4: this.record.gateway4,
      transitHost: this.transit.host,
      transitInside: this.transit.inside,
      internal: this.record.settings.internal,
      hasNames: !this.isDefault,
      ports: this.ports.values(),
    })
  }

  /** Brings namespace, links and rules to what they should be. */
  async build(): Promise<void> {
    this.bridgeIndex = await buildLinks(this.record, this.names, this.#mtu, () => this.rules.rewrite())
  }

  /** Lets the port's packets through its card. */
  admit(port: PortRecord): Promise<void> {
    return this.rules.change(plugElements(port))
  }

  /** And no longer. A namespace that is gone has no rules to take away. */
  async shutOut(port: PortRecord): Promise<void> {
    try {
      await this.rules.change(unplugElements(port))
    } catch (error) {
      if (await namespaceExists(this.names.netns)) throw error
    }
  }

  /** A port of an earlier daemon. */
  adopt(port: PortRecord): void {
    this.ports.set(port.id, port)
    this.#addresses.add(parseAddress(port.ipv4)!)
    for (const published of port.published) this.#transitPorts.add(transitKey(published))
  }

  /** Rejects with code `no_addresses` when none is left, and in dockerd's words when the one asked for is not to be had. */
  reserveAddress(request: Pick<PortRequest, 'mac' | 'ipv4'>): Reservation {
    const asked = request.ipv4 === undefined ? undefined : this.#askedFor(request.ipv4)
    const isTaken = (address: number) => this.#addresses.has(address) || this.#reserved.has(address)
    const address = asked ?? nextAddress(this.#subnet, this.#gateway, isTaken, this.#lastAddress, this.#range)
    if (address === undefined) {
      throw exhausted(
        'no_addresses',
        `network ${this.record.name} (${this.record.subnet4}) has no free address; remove containers or use a larger subnet`,
      )
    }
    const mac = request.mac === undefined ? macOf(address) : checkedMac(request.mac)
    this.#addresses.add(address)
    if (address !== asked) this.#lastAddress = address
    return { mac, ipv4: formatAddress(address) }
  }

  #askedFor(text: string): number {
    const address = parseAddress(text)
    if (address === undefined || !contains(this.#subnet, address)) {
      throw invalid(
        'address_outside',
        `Invalid address ${text}: It does not belong to any of this network's subnets`,
      )
    }
    if (!isUsable(this.#subnet, this.#gateway, address) || this.#addresses.has(address)) {
      throw forbidden('address_in_use', 'Address already in use')
    }
    return address
  }

  /** Rejects with code `no_transit_ports` when the namespace has none left. */
  reserveTransitPort(port: HostPort): number {
    const isTaken = (number: number) =>
      this.#transitPorts.has(transitKey({ protocol: port.protocol, transitPort: number }))
    const transitPort = chooseTransitPort(port.hostPort, isTaken)
    if (transitPort === undefined) {
      throw exhausted('no_transit_ports', `network ${this.record.name} has as many ports published as it can`)
    }
    this.#transitPorts.add(transitKey({ protocol: port.protocol, transitPort }))
    return transitPort
  }

  releaseTransitPort(published: Pick<PublishedRecord, 'protocol' | 'transitPort'>): void {
    this.#transitPorts.delete(transitKey(published))
  }

  releaseAddress(reservation: Reservation): void {
    this.#addresses.delete(parseAddress(reservation.ipv4)!)
  }

  /** Gives back all that the port had. */
  forget(port: PortRecord): void {
    this.ports.delete(port.id)
    this.releaseAddress(port)
    for (const published of port.published) this.releaseTransitPort(published)
  }

  portView(port: PortRecord): Port {
    return {
      id: port.id,
      network: port.network,
      networkName: this.record.name,
      mac: port.mac,
      ipv4: `${port.ipv4}/${this.#subnet.prefix}`,
      gateway4: this.record.settings.internal ? '' : this.record.gateway4,
      resolver4: this.isDefault ? '' : this.record.gateway4,
      mtu: this.#mtu,
      published: port.published.map(({ transitPort: _, ...published }) => ({
        ...published,
        hostAddress: published.hostAddress || '0.0.0.0',
      })),
    }
  }
}

const transitKey = (published: Pick<PublishedRecord, 'protocol' | 'transitPort'>): string =>
  `${published.protocol}/${published.transitPort}`

/** A card's own address: not a group's. */
function checkedMac(mac: string): string {
  const canonical = mac.toLowerCase().replaceAll('-', ':')
  const first = Number.parseInt(canonical.slice(0, 2), 16)
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(canonical) || first % 2 === 1 || /^[0:]+$/.test(canonical)) {
    throw invalid(
      'bad_mac',
      `${mac} is not a MAC address that a card can have; write it as 02:42:ac:11:00:02`,
    )
  }
  return canonical
}
