/**
 * What networks need of the store. Everything that exists on the host is named by a record, and the record is written
 * first and removed last: whatever a killed daemon leaves half done, the next one finds by its records.
 */
import type { NetworkRequest, PortNaming, PublishedPort } from '../../engine/ports/network.ts'

/** What its maker chose; of a default network nothing. */
export interface NetworkSettings
  extends Pick<NetworkRequest, 'internal' | 'attachable' | 'labels' | 'options' | 'auxAddresses'> {
  /** CIDR; '' is the whole subnet. */
  readonly ipRange4: string
  readonly hasOwnSubnet: boolean
  /** 0: what the way to the world carries. */
  readonly mtu: number
}

export const noSettings: NetworkSettings = {
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  auxAddresses: {},
  ipRange4: '',
  hasOwnSubnet: false,
  mtu: 0,
}

export interface NetworkRecord {
  /** 64 hex characters; its first 8 name the namespace and the link to it. */
  readonly id: string
  readonly project: string
  /** Unique in the project. */
  readonly name: string
  /** CIDR. Networks may have equal ones. */
  readonly subnet4: string
  readonly gateway4: string
  /** CIDR, a /30 between the host and the namespace: unique on the host. */
  readonly transit4: string
  readonly createdAtMs: number
  readonly settings: NetworkSettings
}

export interface PublishedRecord extends PublishedPort {
  /** `''`: every address of the host. */
  readonly hostAddress: string
  /** Where it enters the namespace: unique there for the protocol. */
  readonly transitPort: number
}

export interface PortRecord {
  readonly id: string
  readonly network: string
  readonly mac: string
  readonly ipv4: string
  /** The card it is plugged into; null before. */
  readonly tap: string | null
  /** null: nobody finds it by a name. */
  readonly naming: PortNaming | null
  readonly published: readonly PublishedRecord[]
}

export interface NetworkRecords {
  load(): Promise<{
    readonly networks: readonly (NetworkRecord & { readonly lastIpv4: string | null })[]
    readonly ports: readonly PortRecord[]
  }>
  addNetwork(network: NetworkRecord): Promise<void>
  /** With its ports. */
  removeNetwork(id: string): Promise<void>
  /** `lastIpv4`: the address its network gave last, where the search for the next one begins. */
  addPort(port: PortRecord, lastIpv4: string): Promise<void>
  setTap(port: string, tap: string | null): Promise<void>
  setNaming(port: string, naming: PortNaming): Promise<void>
  setPublished(port: string, published: readonly PublishedRecord[]): Promise<void>
  /** Ports that do not exist are no error. */
  removePorts(ids: readonly string[]): Promise<void>
}
