/**
 * One repository of one registry (Distribution API v2).
 *
 *     request ── 401 ──> answer the challenge, once ──> the request again
 *        └────── 30x ──> follow, without our authorization if it is another host
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { RegistryCredentials } from '../../api/docker/backends.ts'
import { forbidden, HummingbirdError, invalid, kindOf } from '../../lib/errors.ts'
import { readJson } from '../json.ts'
import { manifestBytesMax, registryAnswerBytesMax, tagsMax } from '../limits.ts'
import type { Reference } from '../reference.ts'
import { Auth } from './auth.ts'
import { type Endpoint, endpointOf, isInsecure, withTls } from './endpoint.ts'
import { readFailure } from './failure.ts'
import { acceptedTypes } from './manifest.ts'
import { withRetries } from './retry.ts'
import { type Answer, discard, type Request, readBody, Transport } from './transport.ts'

const redirectsMax = 5

export interface RegistryOptions {
  readonly credentials?: RegistryCredentials | undefined
  readonly insecureRegistries: readonly string[]
  readonly actions: 'pull' | 'pull,push'
  readonly idleMs: number
  readonly retryMs: number
}

export interface RawManifest {
  readonly digest: string
  /** What the registry says; the body may say otherwise. */
  readonly contentType: string
  readonly body: Buffer
}

export class RegistryClient {
  readonly #options: RegistryOptions
  readonly #path: string
  readonly #scope: string | null
  #endpoint: Endpoint
  #transport: Transport
  #auth: Auth

  /** `repository`: undefined for the registry as such. */
  constructor(reference: Pick<Reference, 'domain'> & { readonly path?: string }, options: RegistryOptions) {
    this.#options = options
    this.#path = reference.path ?? ''
    this.#scope = reference.path === undefined ? null : `repository:${reference.path}:${options.actions}`
    this.#endpoint = endpointOf(reference.domain, options.insecureRegistries)
    this.#transport = new Transport(this.#endpoint, options.idleMs)
    this.#auth = this.#newAuth()
  }

  get origin(): string {
    return this.#endpoint.origin
  }

  /** A registry with TLS answers plain HTTP with 400. Only asked where plain HTTP is allowed at all. */
  async ping(signal?: AbortSignal): Promise<void> {
    const answer = await this.#transport.send(this.#url('/v2/'), { method: 'GET', signal })
    await discard(answer)
    if (answer.status === 400 && this.#endpoint.insecure) {
      this.#endpoint = withTls(this.#endpoint)
      this.#auth = this.#newAuth()
    }
  }

  /** Checks the credentials. Answers the token to use instead of a password, '' if none is given. */
  async logIn(signal?: AbortSignal): Promise<string> {
    await this.ping(signal)
    const url = this.#url('/v2/')
    let answer = await this.#transport.send(url, { method: 'GET', headers: this.#auth.headers, signal })
    if (
      answer.status === 401 &&
      (await this.#auth.answer(answer, null, { offline: true, ...(signal ? { signal } : {}) }))
    ) {
      answer = await this.#transport.send(url, { method: 'GET', headers: this.#auth.headers, signal })
    }
    if (answer.status !== 200) throw await readFailure(answer, 'unauthorized: incorrect username or password')
    await discard(answer)
    return this.#auth.identityToken
  }

  /** `what`: a tag or a digest. A digest is verified. */
  async manifest(what: string, signal?: AbortSignal): Promise<RawManifest> {
    return this.#retried(async () => {
      const answer = await this.get(`manifests/${what}`, {
        headers: { accept: acceptedTypes.join(', ') },
        signal,
      })
      if (answer.status !== 200) throw await readFailure(answer)
      const body = await readBody(answer, manifestBytesMax, signal)
      const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
      const stated = answer.headers['docker-content-digest']
      const expected = what.startsWith('sha256:') ? what : stated?.startsWith('sha256:') ? stated : digest
      if (digest !== expected) {
        throw invalid('digest_mismatch', `manifest verification failed for digest ${expected}`)
      }
      return { digest, contentType: (answer.headers['content-type'] ?? '').split(';')[0]!.trim(), body }
    }, signal)
  }

  /** A small blob, whole and verified. */
  async smallBlob(digest: string, bytesMax: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#retried(async () => {
      const answer = await this.get(`blobs/${digest}`, { signal })
      if (answer.status !== 200) throw await readFailure(answer)
      const body = await readBody(answer, bytesMax, signal)
      if (`sha256:${createHash('sha256').update(body).digest('hex')}` !== digest) {
        throw invalid('digest_mismatch', `image config verification failed for digest ${digest}`)
      }
      return body
    }, signal)
  }

  async tags(signal?: AbortSignal): Promise<string[]> {
    const schema = z.looseObject({ tags: z.array(z.string()).max(tagsMax).nullish() })
    const answer = await this.#retried(() => this.get('tags/list', { signal }), signal)
    if (answer.status !== 200) throw await readFailure(answer)
    const body = (await readBody(answer, registryAnswerBytesMax, signal)).toString('utf8')
    const bad = (why: string) =>
      invalid('bad_tags', `the list of tags of the registry cannot be used: ${why}`)
    return readJson(body, schema, bad).tags ?? []
  }

  get(path: string, options: Omit<Request, 'method'> = {}): Promise<Answer> {
    return this.request(this.repositoryUrl(path), { ...options, method: 'GET' })
  }

  repositoryUrl(path: string): URL {
    return this.#url(`/v2/${this.#path}/${path}`)
  }

  /** Answers any status but 401; GET and HEAD follow redirects. */
  async request(url: URL, options: Request): Promise<Answer> {
    const isOurs = url.origin === this.#endpoint.origin
    const send = () =>
      this.#transport.send(url, {
        ...options,
        headers: { ...options.headers, ...(isOurs ? this.#auth.headers : {}) },
      })
    let answer = await send()
    const canRepeat =
      options.body === undefined || typeof options.body === 'string' || Buffer.isBuffer(options.body)
    // A challenge of a host we were redirected to is not one to answer.
    if (answer.status === 401 && isOurs && canRepeat) {
      const again = await this.#auth.answer(
        answer,
        this.#scope,
        options.signal ? { signal: options.signal } : {},
      )
      if (!again) throw unauthorizedAs(this.#auth.isAnonymous)
      answer = await send()
    }
    if (answer.status === 401) throw await readFailure(answer, 'unauthorized: authentication required')
    return options.method === 'GET' || options.method === 'HEAD' ? this.#follow(answer, options) : answer
  }

  async #follow(first: Answer, options: Request): Promise<Answer> {
    let answer = first
    for (let hops = 0; [301, 302, 303, 307, 308].includes(answer.status); hops++) {
      await discard(answer)
      if (hops === redirectsMax)
        throw invalid('redirects', `the registry redirects more than ${redirectsMax} times`)
      const url = this.locationOf(answer)
      const isOurs = url.origin === this.#endpoint.origin
      const headers = { ...options.headers, ...(isOurs ? this.#auth.headers : {}) }
      answer = await this.#transport.send(url, { ...options, headers })
    }
    return answer
  }

  /** Where an answer sends us; rejects with kind `forbidden` where we do not go. */
  locationOf({ headers, url }: Answer): URL {
    const { insecure, domain } = this.#endpoint
    const target = URL.parse(headers.location ?? '', url.href)
    const isPlain =
      target?.protocol === 'http:' && insecure && isInsecure(target.host, this.#options.insecureRegistries)
    if (!target || (target.protocol !== 'https:' && !isPlain)) {
      throw forbidden(
        'redirect',
        `the registry ${domain} sends us to ${JSON.stringify(headers.location ?? '')}, which is refused: it is not HTTPS`,
      )
    }
    return target
  }

  #url(path: string): URL {
    return new URL(path, this.#endpoint.origin)
  }

  #newAuth(): Auth {
    const { credentials, insecureRegistries } = this.#options
    return new Auth({ endpoint: this.#endpoint, credentials, insecureRegistries, transport: this.#transport })
  }

  #retried<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return withRetries(task, {
      retryMs: this.#options.retryMs,
      signal,
      isTransient: (error) => kindOf(error) === 'unavailable',
    })
  }
}

const unauthorizedAs = (anonymous: boolean) =>
  new HummingbirdError(
    'unauthorized',
    'registry_refused',
    anonymous ? 'unauthorized: authentication required' : 'unauthorized: incorrect username or password',
    { details: { status: 401, registryCode: 'UNAUTHORIZED' } },
  )
