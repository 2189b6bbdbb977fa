/** Where a registry is, and what may be spoken with it: TLS, except on loopback and with registries the operator named. */
import { BlockList, isIP } from 'node:net'

export interface Endpoint {
  /** As in references. */
  readonly domain: string
  /** `https://registry-1.docker.io`, without a slash. */
  readonly origin: string
  /** Plain HTTP, and TLS with a certificate of anybody's. */
  readonly insecure: boolean
}

const dockerHub = 'registry-1.docker.io'
const dockerHubNames = ['docker.io', 'index.docker.io', 'registry.hub.docker.com', dockerHub]

export function endpointOf(domain: string, insecureRegistries: readonly string[]): Endpoint {
  const host = domain === 'docker.io' ? dockerHub : domain.toLowerCase()
  const insecure = isInsecure(host, insecureRegistries)
  return { domain, origin: `${insecure ? 'http' : 'https'}://${host}`, insecure }
}

export const withTls = (endpoint: Endpoint): Endpoint => ({
  ...endpoint,
  origin: endpoint.origin.replace(/^http:/, 'https:'),
})

/** `host` with or without a port. */
export function isInsecure(host: string, insecureRegistries: readonly string[]): boolean {
  const { hostname } = new URL(`http://${host}`)
  return (
    isLoopbackName(hostname) || insecureRegistries.includes(host) || insecureRegistries.includes(hostname)
  )
}

export function isLoopbackName(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

/** Whether credentials said to be for `serverAddress` are for the registry of `domain`. */
export function isSameRegistry(serverAddress: string, domain: string): boolean {
  const host = serverAddress
    .replace(/^https?:\/\//, '')
    .split('/')[0]!
    .toLowerCase()
  return host === domain.toLowerCase() || (dockerHubNames.includes(host) && dockerHubNames.includes(domain))
}

/**
 * Addresses that a name or a redirect of a registry elsewhere may not lead to: this host's own services, and those a
 * cloud gives to its machines on the link.
 */
const inward = new BlockList()
inward.addSubnet('127.0.0.0', 8, 'ipv4')
inward.addSubnet('0.0.0.0', 8, 'ipv4')
inward.addSubnet('169.254.0.0', 16, 'ipv4')
inward.addSubnet('224.0.0.0', 4, 'ipv4')
inward.addAddress('::1', 'ipv6')
inward.addAddress('::', 'ipv6')
inward.addSubnet('fe80::', 10, 'ipv6')
inward.addSubnet('ff00::', 8, 'ipv6')

export const isInward = (address: string): boolean =>
  isIP(address) !== 0 && inward.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
