/** Answers in one network, at its gateway's address, by UDP and TCP. Whoever asks is hostile: everything has a bound. */
import type { Socket } from 'node:dgram'
import type { Server, Socket as TcpSocket } from 'node:net'
import { secondMs } from '../../lib/units.ts'
import { decide } from './answer.ts'
import { Budget } from './budget.ts'
import type { Asker, Directory, NamedNetwork } from './directory.ts'
import { ask, framed, type Upstream } from './forward.ts'
import { answerTo, fitted, parseQuery, type Query, rcodes, refusalOf, types } from './message.ts'
import { tcpServer, udpServer } from './namespace-sockets.ts'

const port = 53
/** A query is a name and some options. */
const queryBytesMax = 1_024
const tcpBytesMax = 65_535
const connectionsMax = 64
const connectionsOfOneMax = 8
const idleMs = 10 * secondMs
/** Asked of others, and not answered yet, for one network. */
const forwardedMax = 128
const queriesBurst = 1_000
const queriesPerSecond = 500
/** Addresses that are remembered to have asked: as many as a network may well have containers. */
const askersMax = 65_536

export class NetworkServer {
  readonly network: NamedNetwork
  readonly #directory: Directory
  readonly #hostServers: () => readonly string[]
  readonly #udp: Socket
  readonly #tcp: Server
  readonly #connections = new Map<TcpSocket, string>()
  readonly #budgets = new Map<string, Budget>()
  #forwarded = 0
  #turn = 0

  /** Throws when it cannot listen there. */
  constructor(network: NamedNetwork, directory: Directory, hostServers: () => readonly string[]) {
    this.network = network
    this.#directory = directory
    this.#hostServers = hostServers
    this.#udp = udpServer(network.netns, network.address, port)
    try {
      this.#tcp = tcpServer(network.netns, network.address, port)
    } catch (error) {
      this.#udp.close()
      throw error
    }
    this.#udp.on('message', (message, from) => {
      void this.#answer(message, from.address, false).then((answer) => {
        // Who has gone does not wait for it.
        if (answer) this.#udp.send(answer, from.port, from.address, () => {})
      })
    })
    this.#udp.on('error', () => {})
    this.#tcp.maxConnections = connectionsMax
    this.#tcp.on('connection', (socket) => this.#serve(socket))
    this.#tcp.on('error', () => {})
  }

  close(): void {
    this.#udp.close()
    this.#tcp.close()
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  #serve(socket: TcpSocket): void {
    const from = socket.remoteAddress ?? ''
    const others = [...this.#connections.values()].filter((address) => address === from)
    socket.on('error', () => {})
    if (others.length >= connectionsOfOneMax) {
      socket.destroy()
      return
    }
    this.#connections.set(socket, from)
    socket.on('close', () => this.#connections.delete(socket))
    socket.setTimeout(idleMs, () => socket.destroy())
    void this.#converse(socket, from)
  }

  /** One question after the other. */
  async #converse(socket: TcpSocket, from: string): Promise<void> {
    let received = Buffer.alloc(0)
    try {
      for await (const chunk of socket) {
        received = Buffer.concat([received, chunk as Buffer])
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          const length = received.readUInt16BE(0)
          const answer = await this.#answer(received.subarray(2, 2 + length), from, true)
          received = received.subarray(2 + length)
          if (!answer) return void socket.destroy()
          if (!socket.write(framed(answer))) await drained(socket)
        }
        if (received.length >= 2 && received.readUInt16BE(0) > queryBytesMax) break
      }
      socket.end()
    } catch {
      // It was cut off, or took too long.
      socket.destroy()
    }
  }

  async #answer(message: Buffer, from: string, tcp: boolean): Promise<Buffer | undefined> {
    if (message.length > queryBytesMax || !this.#mayAsk(from)) return undefined
    const asker = this.#directory.asker(this.network.id, from)
    if (!asker) return undefined
    const query = parseQuery(message)
    if (query === undefined) return undefined
    if (typeof query === 'number') return refusalOf(message, query)
    const bytesMax = tcp ? tcpBytesMax : query.udpBytes
    // Clients ask for both families at once: only one of the two is answered with addresses.
    if (query.type === types.A) this.#turn++
    const verdict = decide(this.#directory, asker, query, this.#turn)
    if (verdict.is === 'answer') return answerTo(query, verdict.rcode, verdict.answers, bytesMax)
    const answer = await this.#forward(asker, query, tcp)
    if (!answer) return answerTo(query, rcodes.serverFailure, [], bytesMax)
    return tcp ? answer : fitted(answer, query)
  }

  async #forward(asker: Asker, query: Query, tcp: boolean): Promise<Buffer | undefined> {
    const upstream = this.#upstreamOf(asker)
    if (!upstream || this.#forwarded >= forwardedMax) return undefined
    this.#forwarded++
    try {
      return await ask(query, upstream, tcp)
    } finally {
      this.#forwarded--
    }
  }

  /** undefined: none of its networks leads out. */
  #upstreamOf({ endpoint, networks }: Asker): Upstream | undefined {
    const out = networks.find(({ internal }) => !internal)
    if (!out) return undefined
    return endpoint.nameservers.length > 0
      ? { servers: endpoint.nameservers, netns: out.netns }
      : { servers: this.#hostServers(), netns: null }
  }

  #mayAsk(from: string): boolean {
    const now = performance.now()
    let budget = this.#budgets.get(from)
    if (!budget) {
      if (this.#budgets.size >= askersMax) this.#budgets.clear()
      budget = new Budget(queriesBurst, queriesPerSecond, now)
      this.#budgets.set(from, budget)
    }
    return budget.take(now)
  }
}

function drained(socket: TcpSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('drain', resolve)
    socket.once('close', () => reject(new Error('closed')))
  })
}
