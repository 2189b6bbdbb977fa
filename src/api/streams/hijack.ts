/**
 * Turns an HTTP connection into a raw stream in both directions, as `attach` and `exec` need it.
 *
 *     with `Upgrade: tcp`     101 UPGRADED, then bytes both ways; Node has given up the connection already
 *     without (old clients)   200 OK without a length, then the same; Node's parser is taken off by hand
 *
 * Either way the request's own body comes first and is read before: exactly Content-Length bytes; what follows is input.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { invalid } from '../../lib/errors.ts'
import type { ApiLimits } from '../limits.ts'

export interface HijackedConnection {
  readonly input: Readable
  readonly output: Writable
  /** Aborted when the connection is closed altogether. */
  readonly gone: AbortSignal
  /** Asks now and then whether a client that has closed its side still reads: a Unix socket tells no other way. */
  watchForVanishing(): void
  /** Ends our side and resolves when the client has closed its own, or has had time enough to. */
  finish(): Promise<void>
}

/** Reads exactly `length` bytes of an upgraded connection and leaves the rest in it. */
export function readExactly(socket: Socket, length: number): Promise<Buffer> {
  if (length === 0) return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve, reject) => {
    const settle = (chunk: Buffer | null) => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd)
      if (chunk?.length === length) resolve(chunk)
      else reject(invalid('body_cut_short', 'the connection ended before the request body did'))
    }
    const onEnd = () => settle(null)
    // One listener for all pieces: adding one to a stream that holds some bytes would call it at once, for ever.
    const onReadable = () => {
      const chunk = socket.read(length) as Buffer | null
      if (chunk !== null) settle(chunk)
    }
    socket.on('readable', onReadable).once('end', onEnd).once('close', onEnd)
    if (socket.destroyed) onEnd()
  })
}

/** Writes the head of the answer and hands over what follows. `headers` are complete lines' names and values. */
export function hijackUpgraded(
  socket: Socket,
  headers: Readonly<Record<string, string>>,
  limits: ApiLimits,
): HijackedConnection {
  writeHead(socket, '101 UPGRADED', { ...headers, Connection: 'Upgrade', Upgrade: 'tcp' })
  return handOver(socket, socket, limits)
}

export function hijackPlain(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  limits: ApiLimits,
): HijackedConnection {
  const socket = request.socket
  // A body that is still to come is the input; else the parser, which would take input for the next request, is
  // taken off: a listener of our own makes Node hand the bytes to us.
  const input = request.complete || request.readableEnded ? socket : request
  if (input === socket) for (const event of ['data', 'end', 'drain']) socket.removeAllListeners(event)
  response.on('error', () => {})
  writeHead(socket, '200 OK', headers)
  return handOver(socket, input, limits)
}

function writeHead(socket: Socket, status: string, headers: Readonly<Record<string, string>>): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`)
}

function handOver(socket: Socket, input: Readable, limits: ApiLimits): HijackedConnection {
  const gone = new AbortController()
  socket.setTimeout(0)
  socket.on('error', () => socket.destroy())
  socket.once('close', () => gone.abort())
  if (socket.destroyed) gone.abort()
  return {
    input,
    output: socket,
    gone: gone.signal,
    watchForVanishing() {
      if (socket.destroyed) return
      // An empty write reaches the kernel, carries nothing, and fails (EPIPE) when the other end is closed.
      const probe = setInterval(
        () => socket.writable && socket.write(Buffer.alloc(0)),
        limits.vanishedProbeMs,
      )
      socket.once('close', () => clearInterval(probe))
    },
    finish: () => finish(socket, limits.lingerMs),
  }
}

/** Ends our side; the client is given time to take what is on its way and to end its own. */
export function finish(socket: Socket, lingerMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    const late = setTimeout(() => socket.destroy(), lingerMs)
    socket.once('close', () => {
      clearTimeout(late)
      resolve()
    })
    socket.end()
    if (socket.readableEnded) return
    socket.on('data', () => {})
    socket.resume()
  })
}
