/**
 * Cards for sandboxes: persistent taps on a network's bridge. A card is up and attached from the start; the rules of the
 * namespace let nothing through until a port is plugged into it, which therefore costs one transaction and no `ip`.
 */
import type { Nic } from '../../engine/ports/sandbox.ts'
import { invalid, messageOf } from '../../lib/errors.ts'
import { tapGid } from '../../lib/host-ids.ts'
import { ipBatch, ipList } from './commands.ts'
import { cardNamePattern, type NetworkNames, newCardName } from './names.ts'

export async function createCard(network: string, names: NetworkNames, mtu: number): Promise<Nic> {
  const tap = newCardName()
  await ipBatch(
    [`tuntap add mode tap name ${tap} group ${tapGid}`, `link set ${tap} mtu ${mtu} master br0 up`],
    names.namespace,
  )
  return { network, netns: names.netns, tap }
}

/** A card that is gone is no error. */
export async function deleteCard(tap: string, names: NetworkNames): Promise<void> {
  if (!cardNamePattern.test(tap)) throw invalid('bad_card', `${tap} is not the name of a card`)
  try {
    await ipBatch([`link del ${tap}`], names.namespace)
  } catch (error) {
    if (!/Cannot find device|Cannot open network namespace/.test(messageOf(error))) throw error
  }
}

interface Link {
  readonly ifname?: unknown
  readonly flags?: unknown
}

/** Deletes every card that `keep` does not name and that no process holds open; tells which. */
export async function sweepCards(names: NetworkNames, keep: (tap: string) => boolean): Promise<string[]> {
  const links = (await ipList(['link', 'show'], names.namespace)) as readonly Link[]
  const abandoned = links
    // A tap has a carrier while a process has it open.
    .filter((link) => Array.isArray(link.flags) && !link.flags.includes('LOWER_UP'))
    .map((link) => String(link.ifname))
    .filter((name) => cardNamePattern.test(name) && !keep(name))
  await ipBatch(
    abandoned.map((tap) => `link del ${tap}`),
    names.namespace,
  )
  return abandoned
}
