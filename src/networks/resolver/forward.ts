/**
 * Asking others what is not in the directory: one name server after the other, each query from a port of its own and with an id
 * of its own, so that nobody who has not seen it can answer it. The host's name servers are asked from the host; those that a
 * container names, from its network, where they are what it could have asked itself.
 */
import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6, Socket as TcpSocket } from 'node:net'
import { secondMs } from '../../lib/units.ts'
import { isAnswerTo, isTruncated, type Query, withId } from './message.ts'
import { tcpClient, udpClient } from './namespace-sockets.ts'

const port = 53
/** As long as libc waits for one server. */
const serverMs = 2.5 * secondMs
const serversMax = 3
const answerBytesMax = 65_535

export interface Upstream {
  readonly servers: readonly string[]
  /** null: they are asked from the host. */
  readonly netns: string | null
}

/** The first answer there is; undefined: nobody answered. `tcp`: how the query came. */
export async function ask(query: Query, upstream: Upstream, tcp: boolean): Promise<Buffer | undefined> {
  for (const server of upstream.servers.slice(0, serversMax)) {
    const answer = await askByUdp(query, server, upstream.netns)
    if (!answer) continue
    const whole = tcp && isTruncated(answer) ? await askByTcp(query, server, upstream.netns) : answer
    if (whole) return withId(whole, query.message.readUInt16BE(0))
  }
  return undefined
}

function askByUdp(query: Query, server: string, netns: string | null): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const id = randomInt(65_536)
  let socket: Socket
  try {
    socket = netns === null ? createSocket(isIPv6(server) ? 'udp6' : 'udp4') : udpClient(netns)
  } catch {
    return Promise.resolve(undefined)
  }
  const timer = setTimeout(() => resolve(undefined), serverMs)
  socket.on('error', () => resolve(undefined))
  socket.on('message', (answer, from) => {
    if (from.address === server && from.port === port && isAnswerTo(answer, id, query)) resolve(answer)
  })
  socket.send(withId(query.message, id), port, server, (error) => error && resolve(undefined))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

function askByTcp(query: Query, server: string, netns: string | null): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const id = randomInt(65_536)
  let socket: TcpSocket
  try {
    socket = netns === null ? new TcpSocket() : tcpClient(netns)
  } catch {
    return Promise.resolve(undefined)
  }
  const timer = setTimeout(() => resolve(undefined), serverMs)
  let received = Buffer.alloc(0)
  socket.on('error', () => resolve(undefined))
  socket.on('close', () => resolve(undefined))
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (received.length < 2) return
    const length = received.readUInt16BE(0)
    if (received.length > answerBytesMax + 2) return resolve(undefined)
    if (received.length < length + 2) return
    const answer = received.subarray(2, length + 2)
    resolve(isAnswerTo(answer, id, query) ? answer : undefined)
  })
  socket.connect(port, server, () => socket.write(framed(withId(query.message, id))))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.destroy()
  })
}

/** As messages go by TCP: their length before them. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}
