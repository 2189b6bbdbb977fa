/**
 * Names of images as Docker writes and reads them. `nginx` is short for `docker.io/library/nginx:latest`; inside, names are
 * whole; what people see is short again.
 */
import { invalid } from '../lib/errors.ts'

export interface Reference {
  /** Host of the registry, with its port: `docker.io`, `localhost:5000`. */
  readonly domain: string
  /** `library/nginx`. */
  readonly path: string
  readonly tag?: string
  /** `sha256:…`. With a tag too, the digest decides. */
  readonly digest?: string
}

const defaultDomain = 'docker.io'
const officialPrefix = 'library/'
export const defaultTag = 'latest'

const nameLengthMax = 255
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const pathPattern = new RegExp(`^${component}(?:/${component})*$`)
const domainPattern =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/
const anyDigestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/

export const isDigest = (text: string): boolean => digestPattern.test(text)
export const isTag = (text: string): boolean => tagPattern.test(text)

const bad = (message: string) => invalid('bad_reference', message)

/** Rejects with kind `invalid` in dockerd's words. Neither tag nor digest is added. */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw bad(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`)
  }
  const [domain, remainder] = splitDomain(text)
  const { path, tag, digest } = splitSuffixes(remainder)
  if (path.toLowerCase() !== path) {
    throw bad(`invalid reference format: repository name (${path}) must be lowercase`)
  }
  if (!pathPattern.test(path) || !domainPattern.test(domain) || (tag !== undefined && !isTag(tag))) {
    throw bad('invalid reference format')
  }
  if (digest !== undefined && !isDigest(digest)) {
    throw bad(anyDigestPattern.test(digest) ? 'unsupported digest algorithm' : 'invalid reference format')
  }
  if (domain.length + 1 + path.length > nameLengthMax) {
    throw bad(`repository name must not be more than ${nameLengthMax} characters`)
  }
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) }
}

/** What comes before the first slash is a host if it looks like one. */
function splitDomain(text: string): [domain: string, remainder: string] {
  const slash = text.indexOf('/')
  const head = text.slice(0, Math.max(slash, 0))
  const isHost = slash > 0 && (/[.:]/.test(head) || head === 'localhost' || head.toLowerCase() !== head)
  const domain = isHost ? head : defaultDomain
  const remainder = isHost ? text.slice(slash + 1) : text
  if (domain !== defaultDomain && domain !== 'index.docker.io') return [domain, remainder]
  return [defaultDomain, remainder.includes('/') ? remainder : officialPrefix + remainder]
}

function splitSuffixes(text: string): { path: string; tag?: string; digest?: string } {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const rest = at < 0 ? text : text.slice(0, at)
  const colon = rest.indexOf(':')
  return {
    path: colon < 0 ? rest : rest.slice(0, colon),
    ...(colon < 0 ? {} : { tag: rest.slice(colon + 1) }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** `latest`, unless a tag or digest was given. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: defaultTag }
    : reference
}

/** `docker.io/library/nginx`: how records name a repository. */
export const repositoryOf = (reference: Reference): string => `${reference.domain}/${reference.path}`

/** `nginx` for `docker.io/library/nginx`. */
export function familiarName(repository: string): string {
  const official = `${defaultDomain}/${officialPrefix}`
  if (repository.startsWith(official) && !repository.slice(official.length).includes('/')) {
    return repository.slice(official.length)
  }
  return repository.startsWith(`${defaultDomain}/`) ? repository.slice(defaultDomain.length + 1) : repository
}

export const familiarTag = (repository: string, tag: string): string => `${familiarName(repository)}:${tag}`
export const familiarDigest = (repository: string, digest: string): string =>
  `${familiarName(repository)}@${digest}`

/** As people see it, with all that it has. */
export function familiar(reference: Reference): string {
  return [
    familiarName(repositoryOf(reference)),
    reference.tag === undefined ? '' : `:${reference.tag}`,
    reference.digest === undefined ? '' : `@${reference.digest}`,
  ].join('')
}
