/**
 * A route is data: method, path, since when Docker has it, what its query and body look like, and who answers.
 *
 *     route('POST', '/containers/:id/pause', pause, { query: noQuery })
 *
 * `:id` is one segment, `*name` any number of them (image names hold slashes); `params.name` has them joined again.
 */
import { type MatchFunction, match } from 'path-to-regexp'
import { z } from 'zod'
import { invalid } from '../lib/errors.ts'
import type { Exchange } from './exchange.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

export interface Route {
  readonly method: Method
  readonly path: string
  /** Version of Docker's API that brought it. */
  readonly since: string
  /** What may be asked, as an object of lists of strings. */
  readonly query: z.ZodType
  /** null: no JSON body is read. */
  readonly body: z.ZodType | null
  /** The connection may become a raw stream. */
  readonly hijacks: boolean
  /** The connection may become a WebSocket. */
  readonly webSocket: boolean
  /** false: known, and answered only with the reason why not. */
  readonly served: boolean
  readonly handle: (exchange: Exchange) => Promise<void> | void
}

interface RouteOptions<Query extends z.ZodType, Body extends z.ZodType> {
  readonly query: Query
  readonly body?: Body
  readonly since?: string
  readonly hijacks?: boolean
  readonly webSocket?: boolean
  readonly served?: boolean
}

export const noQuery = z.looseObject({})

export function route<Query extends z.ZodType, Body extends z.ZodType = z.ZodUndefined>(
  method: Method,
  path: string,
  handle: (exchange: Exchange<z.output<Query>, z.output<Body>>) => Promise<void> | void,
  options: RouteOptions<Query, Body>,
): Route {
  return {
    method,
    path,
    since: options.since ?? '1.22',
    query: options.query,
    body: options.body ?? null,
    hijacks: options.hijacks ?? false,
    webSocket: options.webSocket ?? false,
    served: options.served ?? true,
    // The dispatcher parses query and body with these very schemas before it calls.
    handle: handle as Route['handle'],
  }
}

export interface Found {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

type Params = Record<string, string | string[] | undefined>

/** Finds the route of a request; the first that fits, so the more special one is listed first. */
export class RouteTable {
  readonly routes: readonly Route[]
  readonly #byMethod = new Map<string, { route: Route; matches: MatchFunction<Params> }[]>()

  constructor(routes: readonly Route[]) {
    this.routes = routes
    for (const route of routes) {
      const entry = {
        route,
        matches: match<Params>(route.path, { decode: false, trailing: false, sensitive: true }),
      }
      this.#byMethod.set(route.method, [...(this.#byMethod.get(route.method) ?? []), entry])
    }
  }

  /** undefined: there is no such path, or not with this method. */
  find(method: string, path: string): Found | undefined {
    for (const { route, matches } of this.#byMethod.get(method) ?? []) {
      const found = matches(path)
      if (found) return { route, params: decode(found.params) }
    }
    return undefined
  }
}

function decode(params: Params): Record<string, string> {
  const decoded: Record<string, string> = {}
  for (const [name, value] of Object.entries(params)) {
    const text = Array.isArray(value) ? value.join('/') : (value ?? '')
    try {
      decoded[name] = decodeURIComponent(text)
    } catch {
      throw invalid('bad_path', `invalid URL escape in "${text}"`)
    }
  }
  return decoded
}
