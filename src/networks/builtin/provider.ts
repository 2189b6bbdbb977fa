/**
 * The networks of one daemon. What should be is in the records and in memory; every change goes record first, then
 * kernel; a start brings the kernel to what the records say.
 */
import type {
  NetworkRequest,
  NetworkView,
  Port,
  PortNaming,
  PortRequest,
  PublishedPort,
} from '../../engine/ports/network.ts'
import type { Nic } from '../../engine/ports/sandbox.ts'
import { conflict, forbidden, invalid, messageOf, notFound } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { SerialQueue } from '../../lib/queue.ts'
import { Rollback } from '../../lib/rollback.ts'
import { type NetworkRecord, type NetworkRecords, noSettings, type PortRecord } from '../ports/records.ts'
import { hostResolvConfFiles, ResolvConfSource } from '../resolv-conf.ts'
import { Cards } from './cards.ts'
import { nft } from './commands.ts'
import { ensureForwarding, isHostAddress } from './host.ts'
import type { HostPorts } from './host-ports.ts'
import {
  hostTable,
  networkElements,
  publishElements,
  unpublishElements,
  withoutNetworkElements,
} from './host-rules.ts'
import { removeLinks, warnOfStrays } from './links.ts'
import { cardNamePattern, hostTableOf } from './names.ts'
import { Names } from './naming.ts'
import { fixedSubnet, settingsOf } from './network-request.ts'
import type { BuiltinNetworks, BuiltinNetworksOptions } from './networks.ts'
import { type NetworkWish, planNetwork } from './plan-network.ts'
import { checkedPublish } from './port-request.ts'
import { reservePort, reservePublished } from './reserve-port.ts'
import { RuleWriter } from './rule-writer.ts'
import { TenantNetwork } from './tenant-network.ts'

/** Docker's name for what a container gets that asks for nothing. */
const defaultNetworkName = 'bridge'

export type Settings = Required<BuiltinNetworksOptions>

/** Namespaces are built at the same time up to this many: each is a handful of children. */
const buildsAtOnce = 4

export class Networks implements BuiltinNetworks {
  readonly publishesIpv6 = false
  readonly #settings: Settings
  readonly #records: NetworkRecords
  readonly #log: Log
  readonly #mtu: number
  readonly #hostPorts: HostPorts
  readonly #hostTable: string
  readonly #hostRules: RuleWriter
  readonly #resolvConf = new ResolvConfSource(hostResolvConfFiles, isHostAddress)
  readonly #networks = new Map<string, TenantNetwork>()
  /** Which network a port is in. Also ports that are being made. */
  readonly #networkOf = new Map<string, TenantNetwork>()
  readonly #deleting = new Map<string, Promise<void>>()
  readonly #making = new SerialQueue()
  readonly #cards = new Cards()
  readonly #names: Names

  constructor(settings: Settings, mtu: number, hostPorts: HostPorts) {
    this.#settings = settings
    this.#records = settings.records
    this.#log = settings.log
    this.#mtu = mtu
    this.#hostPorts = hostPorts
    this.#hostTable = hostTableOf(settings.namePrefix)
    this.#hostRules = new RuleWriter({
      what: 'the host',
      apply: (script) => nft(script),
      render: () =>
        hostTable(
          this.#hostTable,
          settings.stateDir,
          this.#networks.values().map((network) => network.forHost()),
        ),
      log: settings.log,
    })
    this.#names = new Names({
      socket: settings.resolverSocket,
      networks: () => this.#networks.values(),
      hostServers: () => this.#resolvConf.hostServers(),
      log: settings.log,
    })
  }

  async start(): Promise<void> {
    const { networks, ports } = await this.#records.load()
    for (const record of networks) this.#addNetwork(record)
    for (const port of ports) this.#adopt(port)
    await warnOfStrays(
      this.#settings.namePrefix,
      [...this.#networks.values()].map((network) => network.names),
      this.#log,
    )
    await this.#converge()
    for (const project of this.#settings.projects) await this.ensureDefaultNetwork(project)
    await this.#names.begin()
  }

  defaultNetwork(project: string): NetworkView {
    const network = this.#find(project, defaultNetworkName)
    if (!network) throw notFound('network_not_found', `project ${project} has no default network yet`)
    return network.view()
  }

  ensureDefaultNetwork(project: string): Promise<NetworkView> {
    return this.#making.run(async () => {
      const network =
        this.#find(project, defaultNetworkName) ??
        (await this.#make({
          project,
          name: defaultNetworkName,
          subnet: this.#settings.subnet,
          settings: noSettings,
        }))
      return network.view()
    })
  }

  list(project: string): readonly NetworkView[] {
    return [...this.#networks.values()]
      .filter(({ record }) => record.project === project)
      .map((network) => network.view())
  }

  createNetwork(request: NetworkRequest): Promise<NetworkView> {
    const { project, name } = request
    const settings = settingsOf(request)
    const fixed = fixedSubnet(request)
    return this.#making.run(async () => {
      if (this.#find(project, name)) {
        throw conflict('network_exists', `network with name ${name} already exists`)
      }
      const network = await this.#make({ project, name, settings, ...(fixed ? { fixed } : {}) })
      return network.view()
    })
  }

  removeNetwork(id: string): Promise<void> {
    return this.#making.run(async () => {
      const network = this.#networks.get(id)
      if (!network) return
      const { name } = network.record
      if (network.isDefault) {
        throw forbidden('predefined_network', `${name} is a pre-defined network and cannot be removed`)
      }
      if (this.#networkOf.values().some((other) => other === network)) {
        throw forbidden(
          'active_endpoints',
          `error while removing network: network ${name} id ${id} has active endpoints`,
        )
      }
      network.isGoing = true
      try {
        // A socket in it would keep the namespace.
        await this.#names.leave(network)
        await removeLinks(network.names)
        await this.#records.removeNetwork(id)
      } catch (error) {
        network.isGoing = false
        await this.#names.enter(network)
        throw error
      }
      this.#networks.delete(id)
      await this.#names.endIfUnused()
      await this.#hostRules.change(withoutNetworkElements(this.#hostTable, network.forHost()))
    })
  }

  async createPort(request: PortRequest): Promise<Port> {
    const network = this.#networks.get(request.network)
    if (network?.record.project !== request.project || network.isGoing) {
      throw notFound('network_not_found', `network ${request.network} not found`)
    }
    if (this.#networkOf.has(request.id)) {
      throw conflict('port_exists', `port ${request.id} exists already; delete it first`)
    }
    await using undo = new Rollback()
    this.#networkOf.set(request.id, network)
    undo.add(() => this.#networkOf.delete(request.id))
    const port = await reservePort(request, network, this.#hostPorts, undo)
    await this.#records.addPort(port, network.lastAddress)
    network.ports.set(port.id, port)
    undo.commit()
    return network.portView(port)
  }

  async plug({ id }: Port, nic: Nic): Promise<void> {
    const network = this.#networkOf.get(id)
    const port = network?.ports.get(id)
    if (!network || !port) throw notFound('port_not_found', `port ${id} does not exist`)
    if (port.tap === nic.tap) return this.#settled(network)
    if (port.tap !== null) throw conflict('port_plugged', `port ${id} is plugged into another card`)
    if (!cardNamePattern.test(nic.tap)) throw invalid('bad_card', `${nic.tap} is not the name of a card`)
    const plugged = { ...port, tap: nic.tap }
    network.ports.set(id, plugged)
    await using undo = new Rollback()
    undo.add(() => this.#records.setTap(id, null))
    undo.add(() => this.#unplug(network, id))
    await allDone([
      this.#place(nic, network),
      this.#names.add(network, plugged),
      this.#records.setTap(id, nic.tap),
      network.admit(plugged),
      this.#hostRules.change(publishElements(this.#hostTable, network.transit.inside, plugged)),
    ])
    undo.commit()
  }

  /** Brings the card into the network's namespace, if it is not there. */
  async #place(nic: Nic, network: TenantNetwork): Promise<void> {
    const place = this.#cards.placeOf(nic)
    if (place === network.record.id) return
    const from = this.#networks.get(place)
    if (!from) throw notFound('network_not_found', `the network that card ${nic.tap} is in is gone`)
    await this.#cards.move(nic, from, network)
  }

  async parkNic(nic: Nic): Promise<void> {
    const home = this.#networks.get(nic.network)
    if (home) await this.#place(nic, home)
  }

  async publish(id: string, publish: readonly PublishedPort[]): Promise<Port> {
    const network = this.#networkOf.get(id)
    const port = network?.ports.get(id)
    if (!network || !port) throw notFound('port_not_found', `port ${id} does not exist`)
    const checked = checkedPublish({ publish })
    await using undo = new Rollback()
    const more = await reservePublished(id, checked, network, this.#hostPorts, undo)
    const changed = { ...port, published: [...port.published, ...more] }
    await this.#records.setPublished(id, changed.published)
    network.ports.set(id, changed)
    undo.commit()
    await Promise.all([
      network.admit(changed),
      this.#hostRules.change(publishElements(this.#hostTable, network.transit.inside, changed)),
    ])
    return network.portView(changed)
  }

  async rename(id: string, naming: PortNaming): Promise<void> {
    const network = this.#networkOf.get(id)
    const port = network?.ports.get(id)
    if (!network || !port) return
    await this.#records.setNaming(id, naming)
    const renamed = { ...port, naming }
    network.ports.set(id, renamed)
    if (renamed.tap !== null) await this.#names.add(network, renamed)
  }

  deletePort(id: string): Promise<void> {
    const running = this.#deleting.get(id)
    if (running) return running
    const deleting = this.#deletePort(id).finally(() => this.#deleting.delete(id))
    this.#deleting.set(id, deleting)
    return deleting
  }

  async restore(keep: ReadonlySet<string>): Promise<void> {
    const forgotten = [...this.#networks.values()]
      .flatMap((network) => [...network.ports.values()])
      .filter((port) => !keep.has(port.id))
    for (const port of forgotten) this.#networks.get(port.network)!.ports.delete(port.id)
    await this.#converge()
    await this.#records.removePorts(forgotten.map((port) => port.id))
    for (const port of forgotten) this.#release(port)
    await this.#names.tellAll()
    await this.sweepNics(new Set())
    this.#log.info({ forgotten: forgotten.length }, 'ports are as the containers need them')
  }

  async resolvConf(): Promise<string> {
    await this.#names.tellServers()
    return this.#resolvConf.read()
  }

  async create(networkId: string): Promise<Nic> {
    const network = this.#networks.get(networkId)
    if (!network) throw notFound('network_not_found', `network ${networkId} not found`)
    return this.#cards.create(network)
  }

  createNic(beside: Nic): Promise<Nic> {
    return this.create(beside.network)
  }

  deleteNic(nic: Nic): Promise<void> {
    return this.delete(nic)
  }

  delete(nic: Nic): Promise<void> {
    const likeliest = this.#networks.get(this.#cards.placeOf(nic))
    const others = [...this.#networks.values()].filter((network) => network !== likeliest)
    return this.#cards.delete(nic.tap, [...(likeliest ? [likeliest] : []), ...others])
  }

  async sweepNics(keep: ReadonlySet<string>): Promise<void> {
    for (const network of this.#networks.values()) {
      const plugged = new Set(network.ports.values().map((port) => port.tap))
      const cards = await this.#cards.sweep(network, (tap) => plugged.has(tap) || keep.has(String(tap)))
      if (cards.length === 0) continue
      this.#log.info({ namespace: network.names.namespace, cards }, 'cards that nobody held are gone')
    }
  }

  async close(options: { remove?: boolean } = {}): Promise<void> {
    await this.#making.idle()
    for (const network of this.#networks.values()) await this.#settled(network)
    if (!options.remove) return this.#names.close()
    await this.#names.end()
    for (const network of [...this.#networks.values()]) {
      await removeLinks(network.names)
      await this.#records.removeNetwork(network.record.id)
      this.#networks.delete(network.record.id)
    }
    await nft(`add table inet ${this.#hostTable}\ndelete table inet ${this.#hostTable}\n`)
  }

  /** Nothing of the network is on its way into the kernel. */
  async #settled(network: TenantNetwork): Promise<void> {
    await Promise.all([network.rules.idle(), this.#hostRules.idle()])
  }

  #find(project: string, name: string): TenantNetwork | undefined {
    return this.#networks
      .values()
      .find((network) => network.record.project === project && network.record.name === name)
  }

  #addNetwork(record: NetworkRecord & { readonly lastIpv4: string | null }): TenantNetwork {
    const network = new TenantNetwork(record, {
      prefix: this.#settings.namePrefix,
      mtu: this.#mtu,
      isDefault: record.name === defaultNetworkName,
      log: this.#log,
    })
    this.#networks.set(record.id, network)
    return network
  }

  #adopt(port: PortRecord): void {
    const network = this.#networks.get(port.network)!
    network.adopt(port)
    this.#networkOf.set(port.id, network)
    if (port.tap !== null) this.#cards.adopt(port.tap, port.network)
    for (const published of port.published) this.#hostPorts.reserve(published)
  }

  /** Record, host rules, namespace: in this order, so that a crash leaves nothing without a record. */
  async #make(wish: Omit<NetworkWish, 'transitRange'>): Promise<TenantNetwork> {
    const record = await planNetwork(
      { ...wish, transitRange: this.#settings.transitRange },
      [...this.#networks.values()].map((network) => network.record),
    )
    if (wish.subnet !== undefined && record.subnet4 !== wish.subnet) {
      this.#log.warn(
        { network: wish.name, asked: wish.subnet, given: record.subnet4 },
        'the host has a route into the subnet asked for: another was taken',
      )
    }
    await using undo = new Rollback()
    await this.#records.addNetwork(record)
    undo.add(() => this.#records.removeNetwork(record.id))
    const network = this.#addNetwork({ ...record, lastIpv4: null })
    undo.add(() => this.#networks.delete(record.id))
    undo.add(() => removeLinks(network.names))
    undo.add(() => this.#hostRules.change(withoutNetworkElements(this.#hostTable, network.forHost())))
    // Nothing is in it yet that the host's rules would have to hold off.
    await allDone([
      this.#hostRules.change(networkElements(this.#hostTable, network.forHost())),
      network.build(),
    ])
    undo.add(() => this.#names.leave(network))
    await this.#names.enter(network)
    undo.commit()
    return network
  }

  async #converge(): Promise<void> {
    await ensureForwarding(this.#log)
    await this.#hostRules.rewrite()
    const networks = [...this.#networks.values()]
    for (let from = 0; from < networks.length; from += buildsAtOnce) {
      await Promise.all(networks.slice(from, from + buildsAtOnce).map((network) => this.#rebuild(network)))
    }
  }

  /** One tenant's broken network must not keep the others' containers down. */
  async #rebuild(network: TenantNetwork): Promise<void> {
    try {
      await network.build()
    } catch (error) {
      this.#log.error(
        { network: network.record.id, namespace: network.names.namespace, reason: messageOf(error) },
        'a network cannot be put right: containers in it do not start',
      )
    }
  }

  async #deletePort(id: string): Promise<void> {
    const network = this.#networkOf.get(id)
    const port = network?.ports.get(id)
    if (!network || !port) return
    await this.#unplug(network, id)
    await this.#records.removePorts([id])
    this.#release(port)
  }

  async #unplug(network: TenantNetwork, id: string): Promise<void> {
    const port = network.ports.get(id)
    if (!port || port.tap === null) return
    network.ports.set(id, { ...port, tap: null })
    await Promise.all([
      this.#names.remove(port),
      network.shutOut(port),
      this.#hostRules.change(unpublishElements(this.#hostTable, network.transit.inside, port)),
    ])
  }

  #release(port: PortRecord): void {
    this.#networks.get(port.network)?.forget(port)
    this.#networkOf.delete(port.id)
    for (const published of port.published) this.#hostPorts.release(published)
  }
}

/** Waits for all, also when one has failed: nothing is undone while something is still being done. */
async function allDone(steps: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(steps)).find((step) => step.status === 'rejected')
  if (failed) throw failed.reason
}
