/**
 * Docker's front door: HTTP over Unix sockets and TCP, in front of the backends. Node's server is used bare, for
 * hijacked connections, half-closed ones and the flushing of headers are the core of this API (decision 001).
 */
import { constants } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, silentLog } from '../lib/log.ts'
import { Dispatcher } from './dispatch.ts'
import type { Backends, Scope } from './docker/backends.ts'
import { dockerRoutes } from './docker/routes.ts'
import { hbRoutes } from './hb/routes.ts'
import { type ApiLimits, defaultLimits } from './limits.ts'
import { type ListenAddress, listenOn, type TlsMaterial } from './listen.ts'
import { RouteTable } from './route.ts'
import { loginRefusal } from './tls-login.ts'

export interface DockerApiOptions {
  readonly backends: Backends
  /** Whose objects a request may see. */
  readonly scopeOf: (request: IncomingMessage) => Scope
  readonly log?: Log
  readonly limits?: Partial<ApiLimits>
}

export interface DockerApi {
  /** May be called for several addresses. Answers the port, when there is one. */
  listen(address: ListenAddress): Promise<{ port: number | null }>
  /** Stops listening, ends streams, waits for what is being answered, and then cuts what is left. */
  close(): Promise<void>
}

export function createDockerApi(options: DockerApiOptions): DockerApi {
  const limits = { ...defaultLimits, ...options.limits }
  const log = options.log ?? silentLog
  const { backends, scopeOf } = options
  const dispatcher = new Dispatcher({
    table: new RouteTable([...dockerRoutes, ...hbRoutes]),
    backends,
    scopeOf,
    limits,
    log,
  })
  const servers = new Set<{ server: Server; sockets: Set<Socket> }>()
  return {
    async listen(address) {
      const entry = createHttpServer(
        dispatcher,
        limits,
        log,
        'host' in address ? (address.tls ?? null) : null,
      )
      await listenOn(entry.server, address)
      servers.add(entry)
      const bound = entry.server.address()
      return { port: typeof bound === 'object' && bound ? bound.port : null }
    },
    async close() {
      const closed = [...servers].map(({ server }) => new Promise((resolve) => server.close(resolve)))
      await settledOr(dispatcher.close(), limits.closeGraceMs)
      for (const { server } of servers) server.closeIdleConnections()
      await settledOr(Promise.all(closed), limits.closeGraceMs)
      for (const { sockets } of servers) for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
      servers.clear()
    },
  }
}

/** Resolves when the work has ended, or has had its time. */
async function settledOr(work: Promise<unknown>, ms: number): Promise<void> {
  const late = new AbortController()
  try {
    await Promise.race([work, sleep(ms, undefined, { signal: late.signal })])
  } finally {
    late.abort()
  }
}

function createHttpServer(dispatcher: Dispatcher, limits: ApiLimits, log: Log, tls: TlsMaterial | null) {
  const sockets = new Set<Socket>()
  const tooMany = new WeakSet<Socket>()
  const refusalOf = (socket: Socket): Refusal | null => {
    if (tooMany.has(socket)) return { status: 503, message: crowded(limits) }
    const message = tls?.ca ? loginRefusal(socket) : null
    return message === null ? null : { status: 401, message }
  }
  const options = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    // Uploads and streams take as long as they take; JSON bodies have a deadline of their own.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 30_000),
    // A TCP client that vanished without a word is noticed.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    shouldUpgradeCallback: (request: IncomingMessage) =>
      refusalOf(request.socket) === null && dispatcher.upgrades(request),
  }
  const server = tls
    ? createTlsServer({
        ...options,
        // As below, for TLS has an option of its own.
        allowHalfOpen: true,
        ...{ cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET },
        // See tls-login.ts.
        ...(tls.ca ? { ca: tls.ca, requestCert: true, rejectUnauthorized: false } : {}),
      })
    : createServer(options)
  // A client that closes its side early is still answered; what streams takes it as gone (see dispatch.ts).
  Object.assign(server, { httpAllowHalfOpen: true })
  server.maxConnections = limits.connectionsMax + limits.connectionsToldMax
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const refusal = refusalOf(request.socket)
    if (refusal !== null) turnAway(response, refusal)
    else dispatcher.request(request, response)
  })
  server.on('upgrade', (request, socket, head) => dispatcher.upgrade(request, socket as Socket, head))
  server.on('drop', () => log.warn({ max: limits.connectionsMax }, 'a connection was closed: too many'))
  server.on('clientError', (error, socket) => refuse(error, socket as Socket, log))
  server.on('tlsClientError', (error: NodeJS.ErrnoException) =>
    log.debug({ code: error.code }, 'a connection spoke no TLS'),
  )
  // server.closeAllConnections() does not know upgraded ones.
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    if (sockets.size >= limits.connectionsMax) tooMany.add(socket)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return { server, sockets }
}

interface Refusal {
  readonly status: 401 | 503
  readonly message: string
}

const crowded = ({ connectionsMax }: ApiLimits): string =>
  `the daemon serves ${connectionsMax} connections already: close some, or try again later`

/** The rest of the request is not read: whoever sends it is a stranger, or one too many. */
function turnAway(response: ServerResponse, { status, message }: Refusal): void {
  const text = `${JSON.stringify({ message })}\n`
  response.writeHead(status, {
    ...{ 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
    Connection: 'close',
  })
  response.end(text, () => response.socket?.end())
}

const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** What is not HTTP, too much of it, or too slow. */
function refuse(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  log.debug({ code: error.code }, 'a connection spoke no HTTP')
  if (!socket.writable || socket.destroyed) return
  const status = statuses[error.code ?? ''] ?? '400 Bad Request'
  const text = `${status}\n`
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
    () => socket.destroy(),
  )
}
