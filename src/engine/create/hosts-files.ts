/** What a container finds in /etc/hosts, /etc/hostname and /etc/resolv.conf, as Docker writes them. */
import { isIP } from 'node:net'
import { invalid } from '../../lib/errors.ts'
import type { ContainerPort, ContainerSpec } from '../model.ts'
import type { GuestFile } from '../ports/sandbox.ts'

const localNames = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'ff00::0\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
]

/** Means the host as the container sees it: its gateway. */
const hostGateway = 'host-gateway'

export interface NetworkFacts {
  readonly ports: readonly ContainerPort[]
  /** Whom it is linked to without a resolver that would know. */
  readonly linked: readonly { readonly address: string; readonly names: readonly string[] }[]
  /** The host's. */
  readonly resolvConf: string
}

export function hostsFiles(spec: ContainerSpec, facts: NetworkFacts): readonly GuestFile[] {
  const file = (path: string, content: string): GuestFile => ({ path, mode: 0o644, content })
  return [
    file('/etc/hostname', `${spec.hostname}\n`),
    file('/etc/hosts', hosts(spec, facts)),
    file('/etc/resolv.conf', resolver(spec, facts)),
  ]
}

function hosts(spec: ContainerSpec, { ports, linked }: NetworkFacts): string {
  const lines = [...localNames]
  const gateway = ports.find(({ leadsOut }) => leadsOut)?.gateway4
  for (const { address, names } of linked) lines.push(`${address}\t${names.join(' ')}`)
  for (const entry of spec.extraHosts) {
    const { name, address } = extraHost(entry)
    const target = address === hostGateway ? gateway : address
    if (target) lines.push(`${target}\t${name}`)
  }
  for (const port of ports) {
    const own = spec.domainname ? `${spec.hostname}.${spec.domainname} ${spec.hostname}` : spec.hostname
    lines.push(`${port.ipv4.split('/')[0]}\t${own}`)
  }
  return `${lines.join('\n')}\n`
}

/** `name:address` or `name=address`; an IPv6 address may stand in brackets. Throws kind `invalid`, code `bad_extra_host`. */
export function extraHost(entry: string): { name: string; address: string } {
  const parts = /^([^\s:=]+)[:=](\S+)$/.exec(entry)
  const address = parts?.[2]?.replace(/^\[(.*)\]$/, '$1') ?? ''
  if (!parts?.[1]) throw invalid('bad_extra_host', `bad format for add-host: "${entry}"`)
  if (address !== hostGateway && !isIP(address)) {
    throw invalid('bad_extra_host', `invalid IP address in add-host: "${address}"`)
  }
  return { name: parts[1], address }
}

/**
 * In a network of one's own the resolver at its gateway is asked for everything: it asks whom the container says, or the host, in
 * its turn. Else each kind of line that the container asks for takes the place of the host's.
 */
function resolver(spec: ContainerSpec, { ports, resolvConf: ofHost }: NetworkFacts): string {
  const resolver4 = ports.find((port) => port.resolver4)?.asks4
  const resolvConf = resolver4
    ? `nameserver ${resolver4}\n${ofHost.replaceAll(/^nameserver .*\n/gm, '')}`
    : ofHost
  if (resolver4) return withOptions({ ...spec, dns: [], dnsOptions: withNdots(spec.dnsOptions) }, resolvConf)
  return withOptions(spec, resolvConf)
}

/** As Docker: a name without a dot is asked for as it is. */
function withNdots(options: readonly string[]): readonly string[] {
  return options.some((option) => option.startsWith('ndots:')) ? options : [...options, 'ndots:0']
}

type ResolverSpec = Pick<ContainerSpec, 'dns' | 'dnsSearch' | 'dnsOptions'>

function withOptions(spec: ResolverSpec, resolvConf: string): string {
  if (spec.dns.length + spec.dnsSearch.length + spec.dnsOptions.length === 0) return resolvConf
  const has = (keyword: string) =>
    resolvConf
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.split(/\s+/)[0] === keyword)
  const search = spec.dnsSearch.length > 0 ? [`search ${spec.dnsSearch.join(' ')}`] : has('search')
  const lines = [
    ...(spec.dns.length > 0 ? spec.dns.map((address) => `nameserver ${address}`) : has('nameserver')),
    // `--dns-search .` means none.
    ...(spec.dnsSearch.length === 1 && spec.dnsSearch[0] === '.' ? [] : search),
    ...(spec.dnsOptions.length > 0 ? [`options ${spec.dnsOptions.join(' ')}`] : has('options')),
  ]
  return `${lines.join('\n')}\n`
}
