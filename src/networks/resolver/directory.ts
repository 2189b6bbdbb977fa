/**
 * Who is called what, and by whom: a container is asked about in the networks that it shares with the one who asks. Networks of
 * different projects never meet, because no container is in both.
 */

export interface NamedNetwork {
  readonly id: string
  readonly name: string
  /** Path of its namespace, and the number of the file: another one may have taken its place. */
  readonly netns: string
  readonly inode: number
  /** Where it is asked. */
  readonly address: string
  readonly subnet: string
  /** Nothing of it leads out. */
  readonly internal: boolean
}

export interface Endpoint {
  readonly id: string
  readonly network: string
  readonly ipv4: string
  readonly container: string
  readonly name: string
  readonly names: readonly string[]
  /** Names that it alone has: name → container. */
  readonly links: Readonly<Record<string, string>>
  readonly nameservers: readonly string[]
}

interface Room {
  readonly network: NamedNetwork
  readonly byAddress: Map<string, Endpoint>
  readonly byName: Map<string, Set<Endpoint>>
}

/** One who asks, and its networks, the one that it asks in first. */
export interface Asker {
  readonly endpoint: Endpoint
  readonly networks: readonly NamedNetwork[]
}

export class Directory {
  readonly #rooms = new Map<string, Room>()
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #byContainer = new Map<string, Set<Endpoint>>()

  get networks(): readonly NamedNetwork[] {
    return [...this.#rooms.values()].map(({ network }) => network)
  }

  clear(): void {
    this.#rooms.clear()
    this.#endpoints.clear()
    this.#byContainer.clear()
  }

  addNetwork(network: NamedNetwork): void {
    const known = this.#rooms.get(network.id)
    const rest = known ?? { byAddress: new Map(), byName: new Map() }
    this.#rooms.set(network.id, { ...rest, network })
  }

  removeNetwork(id: string): void {
    for (const endpoint of [...this.#endpoints.values()])
      if (endpoint.network === id) this.remove(endpoint.id)
    this.#rooms.delete(id)
  }

  /** In the place of an earlier one with this id. Of a network that is not known there is nothing to tell. */
  add(endpoint: Endpoint): void {
    this.remove(endpoint.id)
    const room = this.#rooms.get(endpoint.network)
    if (!room) return
    this.#endpoints.set(endpoint.id, endpoint)
    room.byAddress.set(endpoint.ipv4, endpoint)
    for (const name of namesOf(endpoint)) addTo(room.byName, name, endpoint)
    addTo(this.#byContainer, endpoint.container, endpoint)
  }

  remove(id: string): void {
    const endpoint = this.#endpoints.get(id)
    if (!endpoint) return
    this.#endpoints.delete(id)
    const room = this.#rooms.get(endpoint.network)
    if (room?.byAddress.get(endpoint.ipv4) === endpoint) room.byAddress.delete(endpoint.ipv4)
    for (const name of namesOf(endpoint)) if (room) removeFrom(room.byName, name, endpoint)
    removeFrom(this.#byContainer, endpoint.container, endpoint)
  }

  /** undefined: nobody who may ask. Rules of the network see to it that the address is the asker's own. */
  asker(network: string, ipv4: string): Asker | undefined {
    const endpoint = this.#rooms.get(network)?.byAddress.get(ipv4)
    if (!endpoint) return undefined
    const own = [...(this.#byContainer.get(endpoint.container) ?? [])].filter((other) => other !== endpoint)
    const networks = [endpoint, ...own].map((each) => this.#rooms.get(each.network)!.network)
    return { endpoint, networks }
  }

  /** Addresses of all who are called so in the first of the asker's networks that has any; undefined: nobody is. */
  addresses(asker: Asker, name: string): readonly string[] | undefined {
    for (const { id, name: networkName } of asker.networks) {
      const suffix = `.${networkName.toLowerCase()}`
      const found =
        this.#named(asker, id, name) ??
        (name.endsWith(suffix) ? this.#named(asker, id, name.slice(0, -suffix.length)) : undefined)
      if (found) return found
    }
    return undefined
  }

  /** `name.network`, as Docker tells it. */
  nameOf(asker: Asker, ipv4: string): string | undefined {
    for (const { id, name } of asker.networks) {
      const endpoint = this.#rooms.get(id)!.byAddress.get(ipv4)
      if (endpoint) return `${endpoint.name}.${name}`
    }
    return undefined
  }

  #named(asker: Asker, network: string, name: string): readonly string[] | undefined {
    const linked = asker.endpoint.links[name]
    const room = this.#rooms.get(network)!
    const endpoints =
      linked === undefined
        ? room.byName.get(name)
        : [...(this.#byContainer.get(linked) ?? [])].filter((endpoint) => endpoint.network === network)
    const addresses = [...(endpoints ?? [])].map(({ ipv4 }) => ipv4)
    return addresses.length > 0 ? addresses : undefined
  }
}

const namesOf = ({ names }: Endpoint): readonly string[] => names.map((name) => name.toLowerCase())

function addTo<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key) ?? new Set()
  sets.set(key, set.add(value))
}

function removeFrom<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key)
  set?.delete(value)
  if (set?.size === 0) sets.delete(key)
}
