/**
 * The ports of the host that containers are published on. A port is taken when another container has it, or when a
 * process of the host listens on it: the rules would take its connections away without a word.
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { within } from '../../lib/deadline.ts'
import { secondMs } from '../../lib/units.ts'
import type { PortRange } from './host.ts'

export interface HostPort {
  readonly protocol: 'tcp' | 'udp'
  /** `''`: every address of the host. */
  readonly hostAddress: string
  readonly hostPort: number
}

/** One port, any free one when its number is 0, or the first free one up to `hostPortLast`. */
export interface WantedPort extends HostPort {
  readonly hostPortLast?: number
}

export type Availability = 'free' | 'in use' | 'no such address'

/** How the host itself is asked; a test puts its own in place. */
export type Probe = (port: HostPort) => Promise<Availability>

export class HostPorts {
  /** By protocol and number: the addresses it is taken on. */
  readonly #taken = new Map<string, Set<string>>()
  readonly #range: PortRange
  readonly #probe: Probe
  /** Goes round, so that a number given back rests before it is given again. */
  #next: number

  constructor(range: PortRange, probe: Probe = probeHost) {
    this.#range = range
    this.#probe = probe
    this.#next = range.from
  }

  /**
   * Takes what is wanted until `release`. Says why when it cannot. What is asked for is taken at once, so that two who
   * ask at the same time do not both get it.
   */
  async take({ hostPortLast, ...port }: WantedPort): Promise<HostPort | Exclude<Availability, 'free'>> {
    if (port.hostPort !== 0) return this.#takeFirst(port, hostPortLast ?? port.hostPort)
    for (let tries = this.#range.to - this.#range.from + 1; tries > 0; tries--) {
      const candidate = { ...port, hostPort: this.#next }
      this.#next = this.#next === this.#range.to ? this.#range.from : this.#next + 1
      const taken = await this.#tryToTake(candidate)
      if (taken !== 'in use') return taken
    }
    return 'in use'
  }

  async #takeFirst(port: HostPort, last: number): Promise<HostPort | Exclude<Availability, 'free'>> {
    for (let { hostPort } = port; hostPort <= last; hostPort++) {
      const taken = await this.#tryToTake({ ...port, hostPort })
      if (taken !== 'in use') return taken
    }
    return 'in use'
  }

  async #tryToTake(port: HostPort): Promise<HostPort | Exclude<Availability, 'free'>> {
    if (!this.reserve(port)) return 'in use'
    try {
      const availability = await this.#probe(port)
      if (availability === 'free') return port
      this.release(port)
      return availability
    } catch (error) {
      this.release(port)
      throw error
    }
  }

  /** Takes without asking the host: for what an earlier daemon published. False when another container has it. */
  reserve(port: HostPort): boolean {
    const addresses = this.#taken.get(keyOf(port)) ?? new Set()
    const clash =
      port.hostAddress === '' ? addresses.size > 0 : addresses.has('') || addresses.has(port.hostAddress)
    if (clash) return false
    this.#taken.set(keyOf(port), addresses.add(port.hostAddress))
    return true
  }

  release(port: HostPort): void {
    const addresses = this.#taken.get(keyOf(port))
    addresses?.delete(port.hostAddress)
    if (addresses?.size === 0) this.#taken.delete(keyOf(port))
  }
}

const keyOf = (port: HostPort): string => `${port.protocol}/${port.hostPort}`

const probeDeadlineMs = 5 * secondMs

/** Binds the port for a moment, as only a free one lets. */
export async function probeHost(port: HostPort): Promise<Availability> {
  const address = port.hostAddress === '' ? '0.0.0.0' : port.hostAddress
  const bound = port.protocol === 'tcp' ? bindTcp(address, port.hostPort) : bindUdp(address, port.hostPort)
  try {
    await within(bound, probeDeadlineMs, `binding ${address}:${port.hostPort}`)
    return 'free'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return 'in use'
    if (code === 'EADDRNOTAVAIL') return 'no such address'
    throw error
  }
}

function bindTcp(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()))
  })
}

function bindUdp(address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve()))
  })
}
