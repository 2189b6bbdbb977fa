/** Which networks a container request names, and what it is to be in each. */
import { isIPv4 } from 'node:net'
import type { NetworkAttachment } from '../../../engine/model.ts'
import { invalid, notImplemented } from '../../../lib/errors.ts'
import type { NetworkSummary } from '../backends.ts'
import { clip, refuseIf } from '../query.ts'
import type { CreateBody, Endpoint } from './containers.schema.ts'

/** Names under which the default network may be asked for. */
export const defaultNetworkNames: readonly string[] = ['', 'default', 'bridge']

/** Rejects with kind `not_found`. Asked only for names not known to all. */
export type FindNetwork = (ref: string) => Promise<NetworkSummary>

const attachmentsMax = 64
const aliasesMax = 256
const aliasLengthMax = 253

/**
 * The network of `NetworkMode` first, then the others that `EndpointsConfig` names. What was said of the container as a whole (its card's
 * address, links) goes to the first.
 */
export async function attachmentsOf(body: CreateBody, find: FindNetwork): Promise<NetworkAttachment[]> {
  const { HostConfig: host } = body
  const mode = host.NetworkMode
  if (mode === 'none' || body.NetworkDisabled) return [none]
  const endpoints = Object.entries(body.NetworkingConfig.EndpointsConfig)
  refuseIf(endpoints.length > attachmentsMax, `a container cannot be in more than ${attachmentsMax} networks`)
  const first = await named(mode, find)
  const attachments = new Map([[first.id, attachmentOf(first, undefined)]])
  for (const [ref, endpoint] of endpoints) {
    // As with Docker, `default` means whatever the mode says.
    const network = ref === 'default' ? first : await named(ref, find)
    attachments.set(network.id, attachmentOf(network, endpoint ?? undefined))
  }
  const [main, ...others] = attachments.values()
  const mac = main!.mac ?? cardAddress(body.MacAddress)
  const links = [...main!.links, ...host.Links.map(checkedLink)]
  return [{ ...main!, links, ...(mac ? { mac } : {}) }, ...others]
}

const none: NetworkAttachment = {
  ...{ network: 'none', name: 'none' },
  ...{ aliases: [], links: [], gatewayPriority: 0 },
}

async function named(ref: string, find: FindNetwork): Promise<NetworkSummary> {
  return find(defaultNetworkNames.includes(ref) ? 'bridge' : ref)
}

/** Throws kind `invalid` in dockerd's words. */
export function attachmentOf(network: NetworkSummary, endpoint: Endpoint | undefined): NetworkAttachment {
  const ipv4 = endpoint?.IPAMConfig?.IPv4Address ?? ''
  const mac = cardAddress(endpoint?.MacAddress ?? '')
  checkAddresses(network, endpoint)
  const aliases = endpoint?.Aliases ?? []
  if (network.isDefault && aliases.length > 0) {
    throw invalid('alias', 'network-scoped alias is supported only for containers in user defined networks')
  }
  refuseIf(
    aliases.length > aliasesMax,
    `a container cannot have more than ${aliasesMax} aliases in a network`,
  )
  return {
    network: network.isDefault ? 'default' : network.id,
    name: network.name,
    aliases: aliases.map(checkedAlias),
    links: (endpoint?.Links ?? []).map(checkedLink),
    gatewayPriority: endpoint?.GwPriority ?? 0,
    ...(ipv4 ? { ipv4 } : {}),
    ...(mac ? { mac } : {}),
  }
}

function checkAddresses(network: NetworkSummary, endpoint: Endpoint | undefined): void {
  const {
    IPv4Address: ipv4 = '',
    IPv6Address: ipv6 = '',
    LinkLocalIPs: local = [],
  } = endpoint?.IPAMConfig ?? {}
  if (local.length > 0) throw notImplemented('unsupported_option', 'link-local addresses cannot be chosen')
  if (ipv4 === '' && ipv6 === '') return
  if (network.isDefault) {
    throw invalid('fixed_address', 'user specified IP address is supported on user defined networks only')
  }
  if (ipv6 !== '') throw notImplemented('unsupported_option', 'networks have no IPv6 addresses yet')
  if (!isIPv4(ipv4)) throw invalid('bad_address', `invalid IPv4 address: ${clip(ipv4)}`)
  if (!network.hasOwnSubnet) {
    throw invalid(
      'fixed_address',
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    )
  }
}

function checkedAlias(alias: string): string {
  if (alias.length === 0 || alias.length > aliasLengthMax || !/^[\x21-\x7e]+$/.test(alias)) {
    throw invalid('bad_alias', `invalid alias: "${clip(alias)}"`)
  }
  return alias
}

function checkedLink(link: string): string {
  const [target = '', alias = target, ...rest] = link.split(':')
  if (target === '' || alias === '' || rest.length > 0 || link.length > 2 * aliasLengthMax) {
    throw invalid('bad_link', `bad format for links: ${clip(link)}`)
  }
  return link
}

function cardAddress(text: string): string {
  if (text === '') return ''
  if (!/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text)) {
    throw invalid('bad_mac', `invalid MAC address: ${clip(text)}`)
  }
  return text.toLowerCase().replaceAll('-', ':')
}
