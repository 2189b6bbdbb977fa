/**
 * What the engine needs of networks. A network has a namespace of its own with a bridge; a sandbox's card (a tap) is
 * plugged into it ahead of demand (Nic, see sandbox.ts), and becomes a port when a container's sandbox is started.
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

export interface PortRequest {
  /** The container's id: names the port. */
  readonly id: string
  readonly project: string
  readonly network: string
  readonly publish: readonly PublishedPort[]
  /** Asked for by the user, else chosen. */
  readonly mac?: string
  /** The address of an earlier port with this id is given again if it is free. */
  readonly ipv4?: string
}

export interface Port {
  readonly id: string
  readonly network: string
  readonly mac: string
  /** CIDR. */
  readonly ipv4: string
  readonly gateway4: string
  readonly mtu: number
  /** With the host ports that were chosen; `0.0.0.0` where no address was asked for (and `::` where IPv6 works). */
  readonly published: readonly PublishedPort[]
}

export interface NetworkView {
  readonly id: string
  readonly name: string
  readonly subnet4: string
  readonly gateway4: string
}

export interface NetworkProvider {
  /** The network that a container gets when it asks for none. */
  defaultNetwork(project: string): NetworkView
  /**
   * Addresses for a sandbox, and its published ports; durable: stored before it resolves. Does not need the card. Rejects with kind `internal`,
   * code `port_in_use`, and dockerd's words (`driver failed programming external connectivity on endpoint NAME (ID): Bind for
   * 0.0.0.0:80 failed: port is already allocated`) when a host port is taken; leaves nothing then.
   */
  createPort(request: PortRequest): Promise<Port>
  /** Ties the port to the card: only after this may packets flow. */
  plug(port: Port, nic: Nic): Promise<void>
  /** Gives back addresses and host ports; a port that does not exist is no error. */
  deletePort(id: string): Promise<void>
  /** After a restart: forgets every port that `keep` does not name and puts the host's state right for those it does. */
  restore(keep: ReadonlySet<string>): Promise<void>
  /** What a container's /etc/resolv.conf says when it asks for nothing of its own. */
  resolvConf(): Promise<string>
  /** Whether this host can answer for ports published on IPv6. */
  readonly publishesIpv6: boolean
}
