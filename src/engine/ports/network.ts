/**
 * What the engine needs of networks. A network has a namespace of its own with a bridge; a sandbox's card (a tap) is
 * made ahead of demand (Nic, see sandbox.ts), and becomes a port of a network when a container's sandbox is started.
 */
import type { Nic } from './sandbox.ts'

export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp'
  readonly containerPort: number
  /** Empty: every address of the host. */
  readonly hostAddress: string
  /** 0: any free one. */
  readonly hostPort: number
  /** The first free one from `hostPort` to this, when it is there. */
  readonly hostPortLast?: number
}

/** What a network of one's own is to be; '' and undefined: not said. */
export interface NetworkRequest {
  readonly project: string
  readonly name: string
  readonly subnet4?: string
  readonly gateway4?: string
  /** CIDR, a part of the subnet: addresses nobody asked for come from it. */
  readonly ipRange4?: string
  /** By what they are for: never given to a container. */
  readonly auxAddresses: Readonly<Record<string, string>>
  /** No way out, and none in. */
  readonly internal: boolean
  readonly attachable: boolean
  /** Of frames; undefined: what the way to the world carries. */
  readonly mtu?: number
  readonly labels: Readonly<Record<string, string>>
  /** As the user gave them, to be told again. */
  readonly options: Readonly<Record<string, string>>
}

export interface NetworkView {
  readonly id: string
  readonly name: string
  readonly createdAt: Date
  /** The one that a container gets when it asks for none: in it there are no names. */
  readonly isDefault: boolean
  readonly subnet4: string
  readonly gateway4: string
  readonly ipRange4: string
  readonly auxAddresses: Readonly<Record<string, string>>
  /** The user chose the subnet, and so may choose addresses. */
  readonly hasOwnSubnet: boolean
  readonly internal: boolean
  readonly attachable: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

/** What a container is called in a network, and what it calls others. */
export interface PortNaming {
  /** The container's id: ports of one container know what is in all of its networks. */
  readonly container: string
  /** Its name, which an address is asked back for. */
  readonly name: string
  /** All names that it answers to: its own, its aliases, its short id, its host name. */
  readonly names: readonly string[]
  /** Names that it alone has for others: name → id of a container. */
  readonly links: Readonly<Record<string, string>>
  /** Whom to ask for what is not in its networks; none: whom the host asks. */
  readonly nameservers: readonly string[]
  /** Where it asks for names: at the gateway of the network that was its first when it started. Here it is answered, too. */
  readonly asks4: string
}

export interface PortRequest {
  /** Names the port; chosen by the caller. */
  readonly id: string
  readonly project: string
  readonly network: string
  readonly publish: readonly PublishedPort[]
  /** Asked for by the user, else chosen. */
  readonly mac?: string
  /** Likewise. */
  readonly ipv4?: string
  /** Absent: nobody finds it by a name. */
  readonly naming?: PortNaming
}

export interface Port {
  readonly id: string
  readonly network: string
  readonly networkName: string
  readonly mac: string
  /** CIDR. */
  readonly ipv4: string
  /** '' where there is no way out. */
  readonly gateway4: string
  /** Where names of the network are asked for; '' where there are none. */
  readonly resolver4: string
  readonly mtu: number
  /** With the host ports that were chosen; `0.0.0.0` where no address was asked for (and `::` where IPv6 works). */
  readonly published: readonly PublishedPort[]
}

export interface NetworkProvider {
  /** The network that a container gets when it asks for none. */
  defaultNetwork(project: string): NetworkView
  /** Of the project, in the order they were made. */
  list(project: string): readonly NetworkView[]
  /**
   * Durable when it resolves. Rejects with kind `conflict` (`network with name X already exists`), `forbidden` (overlapping
   * subnets), `invalid`, `exhausted`, in dockerd's words; leaves nothing then.
   */
  createNetwork(request: NetworkRequest): Promise<NetworkView>
  /** Rejects with kind `forbidden`, code `active_endpoints`, while a port is in it; one that does not exist is no error. */
  removeNetwork(id: string): Promise<void>
  /**
   * Addresses for a sandbox, and its published ports; durable: stored before it resolves. Does not need the card. Rejects with kind `internal`,
   * code `port_in_use`, and dockerd's words (`driver failed programming external connectivity on endpoint NAME (ID): Bind for
   * 0.0.0.0:80 failed: port is already allocated`) when a host port is taken, with kind `forbidden` when an address is; leaves nothing then.
   */
  createPort(request: PortRequest): Promise<Port>
  /** Ties the port to the card, wherever it was made: only after this may packets flow. */
  plug(port: Port, nic: Nic): Promise<void>
  /** Gives back addresses and host ports; a port that does not exist is no error. */
  deletePort(id: string): Promise<void>
  /** Publishes on a port that there is; in addition to what it has. Rejects as `createPort`. */
  publish(id: string, publish: readonly PublishedPort[]): Promise<Port>
  /** What it is called from now on. */
  rename(id: string, naming: PortNaming): Promise<void>
  /** A card beside the one that a sandbox was claimed with, in the same namespace. */
  createNic(beside: Nic): Promise<Nic>
  deleteNic(nic: Nic): Promise<void>
  /** Brings a card back to where it was made: no network is in its way then. */
  parkNic(nic: Nic): Promise<void>
  /** After a restart: forgets every port that `keep` does not name and puts the host's state right for those it does. */
  restore(keep: ReadonlySet<string>): Promise<void>
  /** What a container's /etc/resolv.conf says when it asks for nothing of its own. */
  resolvConf(): Promise<string>
  /** Whether this host can answer for ports published on IPv6. */
  readonly publishesIpv6: boolean
}
