/** What the resolver of names is told of networks and ports; there is one as long as there is a network with names. */
import { stat } from 'node:fs/promises'
import { hasCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { PortRecord } from '../ports/records.ts'
import { ResolverClient } from '../resolver/client.ts'
import type { Instruction } from '../resolver/control.ts'
import type { Endpoint, NamedNetwork } from '../resolver/directory.ts'
import type { TenantNetwork } from './tenant-network.ts'

export interface NamesOptions {
  /** '': there are no names. */
  readonly socket: string
  readonly networks: () => Iterable<TenantNetwork>
  readonly hostServers: () => Promise<readonly string[]>
  readonly log: Log
}

export class Names {
  readonly #options: NamesOptions
  readonly #client: ResolverClient | undefined
  #servers = ''

  constructor(options: NamesOptions) {
    this.#options = options
    const { socket, log } = options
    if (socket !== '') this.#client = new ResolverClient({ socket, log, state: () => this.#state() })
  }

  /** Finds the resolver of an earlier daemon, or starts one; or ends it when nobody needs it. */
  async begin(): Promise<void> {
    if (this.#withNames().length > 0) await this.#client?.start()
    else await this.#client?.quit()
  }

  /** When it is built. */
  async enter(network: TenantNetwork): Promise<void> {
    if (network.isDefault) return
    await this.#client?.start()
    const told = await named(network)
    if (told) await this.#client?.tell({ is: 'network', network: told })
  }

  async leave(network: TenantNetwork): Promise<void> {
    if (!network.isDefault) await this.#client?.tell({ is: 'no-network', id: network.record.id })
  }

  async add(network: TenantNetwork, port: PortRecord): Promise<void> {
    const endpoint = network.isDefault ? undefined : endpointOf(port)
    if (endpoint) await this.#client?.tell({ is: 'endpoint', endpoint })
  }

  async remove(port: PortRecord): Promise<void> {
    if (port.naming) await this.#client?.tell({ is: 'no-endpoint', id: port.id })
  }

  /** When more than one thing has changed. */
  async tellAll(): Promise<void> {
    await this.#client?.tell(await this.#state())
  }

  /** When they have changed. */
  async tellServers(): Promise<void> {
    if (!this.#client || this.#withNames().length === 0) return
    const servers = await this.#options.hostServers()
    if (servers.join() === this.#servers) return
    this.#servers = servers.join()
    await this.#client.tell({ is: 'servers', servers })
  }

  async endIfUnused(): Promise<void> {
    if (this.#withNames().length === 0) await this.end()
  }

  async end(): Promise<void> {
    await this.#client?.quit()
  }

  /** Names are answered on. */
  close(): void {
    this.#client?.close()
  }

  #withNames(): TenantNetwork[] {
    return [...this.#options.networks()].filter(({ isDefault, isGoing }) => !isDefault && !isGoing)
  }

  async #state(): Promise<Extract<Instruction, { is: 'state' }>> {
    const networks = this.#withNames()
    const there = await Promise.all(networks.map(named))
    return {
      is: 'state',
      networks: there.filter((network) => network !== undefined),
      endpoints: networks
        .flatMap(({ ports }) => [...ports.values()].map(endpointOf))
        .filter((endpoint) => endpoint !== undefined),
      servers: await this.#options.hostServers(),
    }
  }
}

/** undefined: it is not built yet, or was taken down by somebody. */
async function named({ record, names }: TenantNetwork): Promise<NamedNetwork | undefined> {
  try {
    const { ino: inode } = await stat(names.netns)
    const { id, name, gateway4: address, subnet4: subnet, settings } = record
    return { id, name, netns: names.netns, inode, address, subnet, internal: settings.internal }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** undefined: nobody finds it by a name, or not yet. */
function endpointOf({ id, network, ipv4, tap, naming }: PortRecord): Endpoint | undefined {
  return tap === null || !naming ? undefined : { id, network, ipv4, ...naming }
}
