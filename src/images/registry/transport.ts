/** HTTP to a registry: deadlines on silence, bounds on answers, errors in the words of dockerd's client. */
import { type LookupAddress, lookup } from 'node:dns'
import { Agent, type Dispatcher, request } from 'undici'
import { cancelled, forbidden, hasCode, invalid, messageOf, unavailable } from '../../lib/errors.ts'
import { secondMs } from '../../lib/units.ts'
import { type Endpoint, isInward } from './endpoint.ts'

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: AsyncIterable<Buffer> | string | Buffer
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Dispatcher.ResponseData['body']
  readonly url: URL
}

const connectMs = 10 * secondMs
const connectionsMax = 8

export class Transport {
  readonly #agent: Agent
  readonly #guarded: boolean

  /** A registry that is not itself on this host may not lead us to what is. */
  constructor(endpoint: Endpoint, idleMs: number) {
    this.#guarded = !endpoint.insecure
    this.#agent = new Agent({
      connections: connectionsMax,
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      connect: {
        timeout: connectMs,
        rejectUnauthorized: !endpoint.insecure,
        ...(this.#guarded ? { lookup: guardedLookup } : {}),
      },
    })
  }

  /** Never follows a redirect. Rejects with kind `unavailable` when there is no answer. */
  async send(url: URL, options: Request): Promise<Answer> {
    const { method, headers, body, signal } = options
    if (this.#guarded && isInward(url.hostname.replace(/^\[|\]$/g, ''))) throw refusedAddress(url.hostname)
    try {
      const answer = await request(url, {
        dispatcher: this.#agent,
        method,
        headers: { 'user-agent': 'hummingbird', ...headers },
        ...(body === undefined ? {} : { body: body as Buffer }),
        ...(signal ? { signal } : {}),
      })
      return { status: answer.statusCode, headers: flat(answer.headers), body: answer.body, url }
    } catch (error) {
      throw explain(
        error,
        `${method[0]}${method.slice(1).toLowerCase()} ${JSON.stringify(String(url))}`,
        signal,
      )
    }
  }
}

/** The body whole; rejects when it is larger than it may be. */
export async function readBody(
  { body, url }: Answer,
  bytesMax: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bytesMax)
        throw invalid('answer_too_large', `the answer of ${url.href} has more than ${bytesMax} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw explain(error, `Get ${JSON.stringify(url.href)}`, signal)
  }
  return Buffer.concat(chunks)
}

/** Takes the connection back for the next request, or ends it when that is shorter. */
export async function discard(answer: Answer): Promise<void> {
  await answer.body.dump({ limit: 64 * 1024 }).catch(() => {})
}

export function explain(error: unknown, what: string, signal?: AbortSignal): Error {
  if (signal?.aborted) return cancelled('cancelled', 'the request was cancelled', { cause: error })
  if (error instanceof Error && 'kind' in error) return error
  const first = error instanceof AggregateError ? error.errors[0] : error
  if (hasCode(error, 'ECONNREFUSED')) {
    const { address, port } = first as { address?: string; port?: number }
    return unavailable(
      'registry_unavailable',
      `${what}: dial tcp ${address}:${port}: connect: connection refused`,
      { cause: error },
    )
  }
  if (hasCode(error, 'ENOTFOUND')) {
    const { hostname } = first as { hostname?: string }
    return unavailable('registry_unavailable', `${what}: dial tcp: lookup ${hostname}: no such host`, {
      cause: error,
    })
  }
  if (hasCode(error, 'UND_ERR_HEADERS_TIMEOUT') || hasCode(error, 'UND_ERR_BODY_TIMEOUT')) {
    return unavailable('registry_silent', `${what}: net/http: timeout awaiting response`, { cause: error })
  }
  return unavailable('registry_unavailable', `${what}: ${messageOf(first)}`, { cause: error })
}

const refusedAddress = (host: string) =>
  forbidden(
    'registry_address',
    `the registry leads to ${host}, an address of this host or its link, which is refused`,
  )

function guardedLookup(
  hostname: string,
  options: object,
  callback: (error: Error | null, address: string | LookupAddress[], family?: number) => void,
): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) callback(error, [])
    else if (addresses.some(({ address }) => isInward(address))) callback(refusedAddress(hostname), [])
    else if ('all' in options && options.all === true) callback(null, addresses)
    else callback(null, addresses[0]!.address, addresses[0]!.family)
  })
}

function flat(headers: Record<string, string | string[] | undefined>): Answer['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  )
}
