/**
 * A WebSocket as a raw stream in both directions, as `attach/ws` needs it: each message is a piece of the input or of the
 * output, without framing. A WebSocket has no half-closed state: its end is the end of both.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import { invalid } from '../../lib/errors.ts'
import type { ApiLimits } from '../limits.ts'
import type { HijackedConnection } from './hijack.ts'

export interface WebSocketOptions {
  readonly headers: Readonly<Record<string, string>>
  /** Messages of bytes; else of text, as before API 1.28. */
  readonly binary: boolean
  readonly limits: ApiLimits
}

/** Answers the handshake. Rejects with kind `invalid` when it is none, and has answered nothing then. */
export async function acceptWebSocket(
  request: IncomingMessage,
  socket: Socket,
  options: WebSocketOptions,
): Promise<HijackedConnection> {
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false },
    maxPayload: options.limits.webSocketMessageBytesMax,
  })
  server.on('headers', (lines: string[]) => {
    for (const [name, value] of Object.entries(options.headers)) lines.push(`${name}: ${value}`)
  })
  const webSocket = await new Promise<WebSocket>((resolve, reject) => {
    server.once('wsClientError', (error) => reject(invalid('bad_handshake', error.message)))
    server.handleUpgrade(request, socket, Buffer.alloc(0), resolve)
  })
  return connectionOf(webSocket, options)
}

function connectionOf(webSocket: WebSocket, { binary, limits }: WebSocketOptions): HijackedConnection {
  const gone = new AbortController()
  const closed = new Promise<void>((resolve) => {
    webSocket.once('close', () => {
      gone.abort()
      resolve()
    })
  })
  // A message that breaks the protocol, or is too long, ends the connection.
  webSocket.on('error', () => {})
  const input = createWebSocketStream(webSocket, { allowHalfOpen: true })
  input.on('error', () => {})
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => webSocket.send(chunk, { binary }, (error) => done(error)),
  })
  output.on('error', () => {})
  return {
    input,
    output,
    gone: gone.signal,
    // Its end is a message, and TCP's own probes tell of a client that went without one.
    watchForVanishing() {},
    async finish() {
      const late = setTimeout(() => webSocket.terminate(), limits.lingerMs)
      // What the client still sends is read, so that its own end is seen.
      input.resume()
      webSocket.close(1000)
      await closed
      clearTimeout(late)
    },
  }
}
