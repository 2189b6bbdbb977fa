/**
 * Networks without anything but this machine: a network namespace for each, with a bridge, taps and nftables
 * (docs/decisions/003-networks-in-namespaces.md).
 */
import type { NetworkProvider, NetworkView } from '../../engine/ports/network.ts'
import type { NicSource } from '../../engine/ports/sandbox.ts'
import { invalid } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { parseSubnet } from '../ipv4.ts'
import type { NetworkRecords } from '../ports/records.ts'
import { ephemeralPorts, uplinkMtu } from './host.ts'
import { HostPorts } from './host-ports.ts'
import { namePrefixPattern } from './names.ts'
import { Networks } from './provider.ts'

export interface BuiltinNetworksOptions {
  readonly records: NetworkRecords
  /** Whose it is, told in the host's rules. */
  readonly stateDir: string
  readonly log: Log
  /** Addresses of default networks; another subnet is taken where the host has a route into this one. */
  readonly subnet?: string
  /** Addresses of the links between the host and the namespaces; others are taken where the host has routes. */
  readonly transitRange?: string
  /** Of everything made on the host; one daemon for each. */
  readonly namePrefix?: string
  /** Where the resolver of names listens for daemons, or is to; without it there are no names. */
  readonly resolverSocket?: string
  /** Projects that have a default network from the start. */
  readonly projects?: readonly string[]
}

export interface BuiltinNetworks extends NetworkProvider, NicSource {
  /** The default network of a project, made if it has none. */
  ensureDefaultNetwork(project: string): Promise<NetworkView>
  /**
   * Deletes every card of an earlier daemon that no process has open, no port is plugged into and `keep` does not name.
   * `restore` does it too.
   */
  sweepNics(keep: ReadonlySet<string>): Promise<void>
  /** Leaves all in place for sandboxes that run on; with `remove`, removes all that was ever made, records too. */
  close(options?: { remove?: boolean }): Promise<void>
}

/** Rejects with kind `invalid` when an option makes no sense. */
export async function createBuiltinNetworks(options: BuiltinNetworksOptions): Promise<BuiltinNetworks> {
  const settings = {
    subnet: '172.30.0.0/16',
    // Reserved for benchmarks of networks. Not 100.64.0.0/10: hosts in a Tailscale network drop all of that.
    transitRange: '198.18.0.0/16',
    namePrefix: 'hb',
    resolverSocket: '',
    projects: ['default'],
    ...options,
  }
  if (!namePrefixPattern.test(settings.namePrefix)) {
    throw invalid(
      'bad_option',
      `the network prefix ${settings.namePrefix} must be one to six letters or digits`,
    )
  }
  for (const [name, longest] of [
    ['subnet', 29],
    ['transitRange', 30],
  ] as const) {
    const subnet = parseSubnet(settings[name])
    if (!subnet || subnet.prefix < 8 || subnet.prefix > longest) {
      throw invalid(
        'bad_option',
        `${settings[name]} is no subnet of /8 to /${longest}; write it as 172.30.0.0/16`,
      )
    }
  }
  const networks = new Networks(settings, await uplinkMtu(), new HostPorts(await ephemeralPorts()))
  await networks.start()
  return networks
}
