/**
 * Cards for sandboxes: persistent taps on a network's bridge. A card is up and attached from the start; the rules of the
 * namespace let nothing through until a port is plugged into it, which therefore costs one transaction and no `ip`.
 */
import type { Nic } from '../../engine/ports/sandbox.ts'
import { invalid, messageOf } from '../../lib/errors.ts'
import { tapGid } from '../../lib/host-ids.ts'
import { ipBatch, ipList, namespaceExists } from './commands.ts'
import { cardNamePattern, newCardName } from './names.ts'
import type { TenantNetwork } from './tenant-network.ts'

export class Cards {
  /** Made by this daemon, and maybe waiting for the process that will open them. */
  readonly #own = new Set<string>()
  /** By name: the network that it was moved to from where it was made. */
  readonly #moved = new Map<string, string>()

  async create(network: TenantNetwork): Promise<Nic> {
    const tap = newCardName()
    this.#own.add(tap)
    try {
      await ipBatch(
        [
          `tuntap add mode tap name ${tap} group ${tapGid}`,
          `link set ${tap} mtu ${network.mtu} master br0 up`,
        ],
        network.names.namespace,
      )
    } catch (error) {
      this.#own.delete(tap)
      throw error
    }
    return { network: network.record.id, netns: network.names.netns, tap }
  }

  /** Id of the network whose namespace it is in. */
  placeOf(nic: Nic): string {
    return this.#moved.get(nic.tap) ?? nic.network
  }

  /** What an earlier daemon plugged somewhere. */
  adopt(tap: string, networkId: string): void {
    this.#moved.set(tap, networkId)
  }

  /** The process that has it open keeps it: only what it is connected to changes. */
  async move({ tap }: Nic, from: TenantNetwork, to: TenantNetwork): Promise<void> {
    this.#moved.set(tap, to.record.id)
    const onto = `mtu ${to.mtu} master br0 up`
    // The kernel takes it there first, and looks up the master's number then.
    const atOnce = from.bridgeIndex !== 0 && from.bridgeIndex === to.bridgeIndex
    const move = `link set ${tap} netns ${to.names.namespace}`
    await ipBatch([atOnce ? `${move} ${onto}` : move], from.names.namespace)
    if (!atOnce) await ipBatch([`link set ${tap} ${onto}`], to.names.namespace)
  }

  /** `networks`: where it may be, likeliest first. A card that is gone is no error. */
  async delete(tap: string, networks: Iterable<TenantNetwork>): Promise<void> {
    if (!cardNamePattern.test(tap)) throw invalid('bad_card', `${tap} is not the name of a card`)
    for (const network of networks) {
      try {
        await ipBatch([`link del ${tap}`], network.names.namespace)
        break
      } catch (error) {
        if (!/Cannot find device|Cannot open network namespace/.test(messageOf(error))) throw error
      }
    }
    this.#own.delete(tap)
    this.#moved.delete(tap)
  }

  /** Deletes every card of an earlier daemon that `keep` does not name and that no process has open; tells which. */
  async sweep({ names }: TenantNetwork, keep: (tap: string | null) => boolean): Promise<string[]> {
    if (!(await namespaceExists(names.netns))) return []
    const links = (await ipList(['link', 'show'], names.namespace)) as readonly Link[]
    const abandoned = links
      // A tap has a carrier while a process has it open.
      .filter((link) => Array.isArray(link.flags) && !link.flags.includes('LOWER_UP'))
      .map((link) => String(link.ifname))
      .filter((name) => cardNamePattern.test(name) && !keep(name) && !this.#own.has(name))
    await ipBatch(
      abandoned.map((tap) => `link del ${tap}`),
      names.namespace,
    )
    return abandoned
  }
}

interface Link {
  readonly ifname?: unknown
  readonly flags?: unknown
}
