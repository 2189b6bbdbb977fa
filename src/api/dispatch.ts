/** The way of one request: route, version, scope, query, body, handler; and what becomes of a failure. */
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { within } from '../lib/deadline.ts'
import { forbidden, invalid, notFound } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { checkContentType, collectBody, hasBody, parseJson, parseWith, tooLarge } from './body.ts'
import type { Backends, Scope } from './docker/backends.ts'
import { type Failure, failureOf } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { ApiLimits } from './limits.ts'
import { Reply } from './reply.ts'
import type { Found, RouteTable } from './route.ts'
import { finish, hijackPlain, hijackUpgraded, readExactly } from './streams/hijack.ts'
import { acceptWebSocket } from './streams/web-socket.ts'
import { atLeast, checkVersion, commonHeaders, splitVersion } from './versions.ts'

export interface DispatchOptions {
  readonly table: RouteTable
  readonly backends: Backends
  readonly scopeOf: (request: IncomingMessage) => Scope
  readonly limits: ApiLimits
  readonly log: Log
}

/** A request with the two ways it can arrive: over Node's parser, or upgraded with the socket in our hands. */
interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Set when Node has given the connection up. */
  readonly upgraded: Socket | null
  readonly signal: AbortSignal
  hijacked: boolean
}

export class Dispatcher {
  readonly #options: DispatchOptions
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /** Whether a request for an upgrade is one that may have it; else it is answered as an ordinary one. */
  upgrades(request: IncomingMessage): boolean {
    const wanted = request.headers.upgrade?.toLowerCase()
    try {
      const route = wanted === 'tcp' || wanted === 'websocket' ? this.#find(request)?.route : undefined
      return (wanted === 'tcp' ? route?.hijacks : route?.webSocket) === true
    } catch {
      return false
    }
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    const gone = new AbortController()
    const onGone = () => gone.abort()
    request.socket.once('end', onGone)
    response.once('close', () => {
      request.socket.off('end', onGone)
      gone.abort()
    })
    response.on('error', onGone)
    this.#serve(request, response, null, gone.signal)
  }

  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const gone = new AbortController()
    socket.on('error', () => gone.abort())
    socket.once('close', () => gone.abort())
    if (head.length > 0) socket.unshift(head)
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => {
      response.detachSocket(socket)
      void finish(socket, this.#options.limits.lingerMs)
    })
    this.#serve(request, response, socket, gone.signal)
  }

  /** Tells everything that runs to end, and resolves when it has: never, if a backend does not heed the signal. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#running)
  }

  #serve(
    request: IncomingMessage,
    response: ServerResponse,
    upgraded: Socket | null,
    gone: AbortSignal,
  ): void {
    const signal = AbortSignal.any([gone, this.#closing.signal])
    const arrival: Arrival = { request, response, upgraded, signal, hijacked: false }
    for (const [name, value] of Object.entries(commonHeaders)) response.setHeader(name, value!)
    const work = this.#answer(arrival).catch((error: unknown) => this.#fail(arrival, error))
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  async #answer(arrival: Arrival): Promise<void> {
    const { request, response, signal } = arrival
    const { limits, log, backends } = this.#options
    const found = this.#find(request)
    if (!found) throw notFound('no_such_route', 'page not found')
    const { route, params, version, search } = found
    checkVersion(version)
    refuseWebPages(request)
    const query = parseWith(route.query, listsOf(search), 'invalid query')
    const body = await this.#body(arrival, found)
    const exchange: Exchange = {
      params,
      query,
      body,
      version,
      headers: request.headers,
      upload: shielded(request, limits),
      scope: this.#options.scopeOf(request),
      backends,
      limits,
      log,
      signal,
      reply: new Reply(response, signal),
      hijack: (type) => this.#hijack(arrival, type),
      webSocket: (options) => this.#webSocket(arrival, options),
    }
    await route.handle(exchange)
  }

  /** Where a connection may be hijacked, a body of known length is read whatever the route: it stands before the input. */
  async #body({ request, upgraded }: Arrival, { route }: Found): Promise<unknown> {
    const { limits } = this.#options
    const present = hasBody(request.headers)
    const before = route.hijacks && (upgraded || request.headers['content-length'] !== undefined)
    if (!before && (!route.body || !present)) return parseBody(route, undefined)
    if (present && route.body) checkContentType(request.headers['content-type'])
    if (Number(request.headers['content-length'] ?? 0) > limits.jsonBodyBytesMax) throw tooLarge(limits)
    const bytes = await within(
      upgraded ? readExactly(upgraded, upgradedLength(request)) : collectBody(request, limits),
      limits.jsonBodyTimeoutMs,
      'reading the request body',
    )
    return parseBody(route, present && route.body ? parseJson(bytes, limits) : undefined)
  }

  #hijack(arrival: Arrival, type: { upgraded: string; plain: string }) {
    const { request, response, upgraded } = arrival
    const { limits } = this.#options
    const common = commonHeaders as Record<string, string>
    arrival.hijacked = true
    if (!upgraded) return hijackPlain(request, response, { ...common, 'Content-Type': type.plain }, limits)
    response.detachSocket(upgraded)
    return hijackUpgraded(upgraded, { ...common, 'Content-Type': type.upgraded }, limits)
  }

  async #webSocket(arrival: Arrival, { binary }: { binary: boolean }) {
    const { request, response, upgraded } = arrival
    const { limits } = this.#options
    if (!upgraded) throw invalid('no_websocket', 'this is a WebSocket: ask for it with Upgrade: websocket')
    const headers = commonHeaders as Record<string, string>
    const connection = await acceptWebSocket(request, upgraded, { headers, binary, limits })
    arrival.hijacked = true
    response.detachSocket(upgraded)
    return connection
  }

  #find(request: IncomingMessage): (Found & { version: string; search: URLSearchParams }) | undefined {
    const [path, search] = splitUrl(request.url ?? '/')
    const { version, path: rest } = splitVersion(path)
    const found = this.#options.table.find(request.method ?? 'GET', rest)
    return found && { ...found, version, search: new URLSearchParams(search) }
  }

  #fail({ request, response, upgraded, hijacked }: Arrival, error: unknown): void {
    const { log, limits } = this.#options
    const socket = upgraded ?? request.socket
    const failure = socket.destroyed ? clientGone : failureOf(error, log)
    if (hijacked || response.headersSent || failure.status === null) {
      log.debug({ url: request.url, reason: failure.message }, 'a request was broken off')
      socket.destroy()
      return
    }
    if (!request.complete && !upgraded) response.once('finish', () => drain(request, limits.lingerMs))
    const reply = new Reply(response, new AbortController().signal)
    const { version, named } = splitVersion(splitUrl(request.url ?? '/')[0])
    if (failure.status === 304) reply.empty(304)
    else if (named && !atLeast(version, '1.24')) reply.text(failure.status, `${failure.message}\n`)
    else reply.json(failure.status, { message: failure.message })
  }
}

/** Whatever fails then fails for that reason, and is no fault. */
const clientGone: Failure = { status: null, message: 'the client went away' }

function parseBody(route: Found['route'], value: unknown): unknown {
  if (!route.body) return undefined
  // As Go reads it: where null has no meaning of its own it is an object that says nothing.
  const said = value === null && !route.body.safeParse(null).success ? {} : value
  return parseWith(route.body, said, 'invalid JSON')
}

function upgradedLength(request: IncomingMessage): number {
  if (request.headers['transfer-encoding'] !== undefined) {
    throw invalid(
      'chunked_upgrade',
      'a request for an upgrade must have a Content-Length, not a chunked body',
    )
  }
  return Number(request.headers['content-length'] ?? 0)
}

/** A job that fails destroys what it reads from; the connection must outlive that, to tell of the failure. */
function shielded(request: IncomingMessage, { uploadStallMs }: ApiLimits): Readable {
  const chunks = async function* () {
    const source = request.iterator({ destroyOnReturn: false })
    try {
      for (;;) {
        const next = await within(source.next(), uploadStallMs, 'the next piece of the upload')
        if (next.done) return
        yield next.value
      }
    } finally {
      // Not waited for: while a piece is still to come it waits for that.
      source.return?.().catch(() => {})
    }
  }
  return Readable.from(chunks(), { objectMode: false })
}

/**
 * A client that is still sending sees a refusal only if what it sends is taken for a while. The connection is told of its
 * own end: Node no longer ends a request that was answered.
 */
function drain(request: IncomingMessage, lingerMs: number): void {
  const { socket } = request
  const late = setTimeout(() => socket.destroy(), lingerMs)
  const done = () => {
    clearTimeout(late)
    socket.off('close', done)
  }
  request.once('end', done)
  socket.once('close', done)
  if (socket.destroyed) done()
  // Whoever was reading may still wait for a chunk, which would keep the rest from flowing.
  request.removeAllListeners('readable')
  request.on('data', () => {})
  request.resume()
}

/**
 * A page in the operator's browser can reach loopback; no client of Docker sends these, but that some of WebSockets name as
 * the origin the very address they ask. No page comes from there; one of a name that was made to lead here might.
 */
function refuseWebPages({ headers }: IncomingMessage): void {
  const { origin, host = '' } = headers
  const ofClient = origin === `http://${host}` && /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(host)
  if ((origin !== undefined && !ofClient) || headers['sec-fetch-site'] !== undefined) {
    throw forbidden('web_page', 'requests from web pages are refused: this API is for Docker clients')
  }
}

function splitUrl(url: string): [path: string, search: string] {
  const mark = url.indexOf('?')
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
}

/** Every name with all its values: whether one or all count is for the schema to say. */
function listsOf(search: URLSearchParams): Record<string, string[]> {
  const lists: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  for (const [name, value] of search) {
    const list = lists[name]
    if (list) list.push(value)
    else lists[name] = [value]
  }
  return lists
}
