/** Network namespaces with a bridge each, and taps on them, for tests of cards. */
import type { Nic, NicSource } from '../../engine/ports/sandbox.ts'
import { tapGid } from '../../lib/host-ids.ts'
import { newId } from '../../lib/ids.ts'
import { run } from '../../lib/spawn.ts'

export class Namespaces implements NicSource, AsyncDisposable {
  readonly #prefix = `hbvm${newId().slice(0, 6)}`
  readonly #names = new Set<string>()
  #taps = 0

  nameOf(network: string): string {
    return `${this.#prefix}${network}`
  }

  async ip(network: string, ...args: string[]): Promise<string> {
    return (await run('ip', ['-n', this.nameOf(network), ...args])).stdout
  }

  async make(network: string): Promise<void> {
    await run('ip', ['netns', 'add', this.nameOf(network)])
    this.#names.add(network)
    await this.ip(network, 'link', 'add', 'br0', 'type', 'bridge')
    await this.ip(network, 'link', 'set', 'br0', 'up')
  }

  async create(network: string): Promise<Nic> {
    const tap = `tap${this.#taps++}`
    await this.ip(network, 'tuntap', 'add', 'mode', 'tap', 'name', tap, 'group', String(tapGid))
    await this.ip(network, 'link', 'set', tap, 'master', 'br0', 'up')
    return { network, netns: `/run/netns/${this.nameOf(network)}`, tap }
  }

  /** As a card is plugged into another network than it was made in. */
  async move({ network, tap }: Nic, to: string): Promise<void> {
    await this.ip(network, 'link', 'set', tap, 'netns', this.nameOf(to))
    await this.ip(to, 'link', 'set', tap, 'master', 'br0', 'up')
  }

  /** Wherever it is by now. */
  async delete({ tap }: Pick<Nic, 'tap'>): Promise<void> {
    for (const network of this.#names) {
      if ((await this.taps(network)).includes(tap)) await this.ip(network, 'link', 'del', tap)
    }
  }

  async taps(network: string): Promise<string[]> {
    const links = JSON.parse(await this.ip(network, '-j', 'link', 'show')) as readonly { ifname: string }[]
    return links.map(({ ifname }) => ifname).filter((name) => name.startsWith('tap'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const network of this.#names) await run('ip', ['netns', 'del', this.nameOf(network)])
  }
}
