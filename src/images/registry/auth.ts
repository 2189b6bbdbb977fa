/**
 * Who we are to a registry. Credentials go to the registry they are for, and to the token server it names; nowhere else,
 * whatever redirects say, and never over plain HTTP unless the registry itself is spoken to so.
 */
import { z } from 'zod'
import type { RegistryCredentials } from '../../api/docker/backends.ts'
import { forbidden, unauthorized } from '../../lib/errors.ts'
import { registryAnswerBytesMax } from '../limits.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { type Endpoint, isInsecure, isSameRegistry } from './endpoint.ts'
import { readFailure } from './failure.ts'
import { type Answer, discard, readBody, type Transport } from './transport.ts'

const tokenSchema = z.looseObject({
  token: z.string().optional(),
  access_token: z.string().optional(),
  refresh_token: z.string().optional(),
})

export interface AuthOptions {
  readonly endpoint: Endpoint
  readonly credentials?: RegistryCredentials | undefined
  readonly insecureRegistries: readonly string[]
  readonly transport: Transport
}

export class Auth {
  readonly #options: AuthOptions
  readonly #credentials: RegistryCredentials
  #authorization: string | undefined
  /** What the token server gives on log-in, for later use instead of the password. */
  identityToken = ''

  constructor(options: AuthOptions) {
    this.#options = options
    const { serverAddress } = options.credentials ?? {}
    const isForUs = !serverAddress || isSameRegistry(serverAddress, options.endpoint.domain)
    this.#credentials = isForUs ? (options.credentials ?? {}) : {}
    if (this.#credentials.registryToken) this.#authorization = `Bearer ${this.#credentials.registryToken}`
  }

  /** For requests to the registry itself. */
  get headers(): Record<string, string> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization }
  }

  get isAnonymous(): boolean {
    const { username, identityToken, registryToken } = this.#credentials
    return !username && !identityToken && !registryToken
  }

  /** Answers whether the request is worth another try. `scope`: what we want, whatever the registry asks for. */
  async answer(
    refusal: Answer,
    scope: string | null,
    options: { offline?: boolean; signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const challenges = parseChallenges(refusal.headers['www-authenticate'] ?? '')
    await discard(refusal)
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer) return this.#answerBearer(bearer, scope, options)
    if (challenges.some(({ scheme }) => scheme === 'basic')) return this.#answerBasic()
    return false
  }

  #answerBasic(): boolean {
    const basic = this.#basic()
    // The same again would be refused again.
    if (basic === undefined || this.#authorization === basic) return false
    this.#authorization = basic
    return true
  }

  #basic(): string | undefined {
    const { username, password } = this.#credentials
    return username ? `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` : undefined
  }

  async #answerBearer(
    { parameters }: Challenge,
    scope: string | null,
    options: { offline?: boolean; signal?: AbortSignal },
  ): Promise<boolean> {
    if (this.#credentials.registryToken) return false
    const realm = this.#realm(parameters.realm ?? '')
    const service = parameters.service ?? ''
    const answer = await this.#askForToken(realm, service, scope ?? parameters.scope ?? '', options)
    if (answer.status !== 200) throw await readFailure(answer, 'unauthorized: incorrect username or password')
    const parsed = tokenSchema.safeParse(
      parseJson(await readBody(answer, registryAnswerBytesMax, options.signal)),
    )
    const token = parsed.data?.token ?? parsed.data?.access_token
    if (!token) throw unauthorized('registry_token', `${realm.origin} answered without a token`)
    this.identityToken = parsed.data?.refresh_token ?? ''
    this.#authorization = `Bearer ${token}`
    return true
  }

  /** A registry may name any token server, but credentials do not leave in clear unless they do to the registry too. */
  #realm(text: string): URL {
    const { endpoint, insecureRegistries } = this.#options
    const realm = URL.parse(text)
    const isPlain =
      realm?.protocol === 'http:' && endpoint.insecure && isInsecure(realm.host, insecureRegistries)
    if (
      !realm ||
      (realm.protocol !== 'https:' && !isPlain) ||
      realm.username !== '' ||
      realm.password !== ''
    ) {
      throw forbidden(
        'registry_realm',
        `the registry ${endpoint.domain} sends us to ${JSON.stringify(text)} for a token, which is refused: it is not HTTPS`,
      )
    }
    return realm
  }

  #askForToken(
    realm: URL,
    service: string,
    scope: string,
    { offline, signal }: { offline?: boolean; signal?: AbortSignal },
  ): Promise<Answer> {
    const { transport } = this.#options
    const { identityToken, username } = this.#credentials
    if (identityToken) {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: identityToken,
        service,
        scope,
        client_id: 'hummingbird',
      })
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      return transport.send(realm, { method: 'POST', headers, body: form.toString(), signal })
    }
    const url = new URL(realm)
    if (service !== '') url.searchParams.set('service', service)
    if (scope !== '') url.searchParams.set('scope', scope)
    if (username) url.searchParams.set('account', username)
    if (offline) {
      url.searchParams.set('offline_token', 'true')
      url.searchParams.set('client_id', 'hummingbird')
    }
    const basic = this.#basic()
    return transport.send(url, {
      method: 'GET',
      headers: basic === undefined ? {} : { authorization: basic },
      signal,
    })
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
