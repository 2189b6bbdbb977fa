/** Which networks a container is to be in, and what of that goes to which of its cards. */
import { conflict, notFound } from '../../lib/errors.ts'
import { newId, shortId } from '../../lib/ids.ts'
import type { EngineContext } from '../context.ts'
import { isUp } from '../lifecycle.ts'
import type { Container, ContainerPort, ContainerSpec, NetworkAttachment } from '../model.ts'
import type { NetworkView, PortNaming, PortRequest, PublishedPort } from '../ports/network.ts'
import type { SandboxInterface } from '../ports/sandbox.ts'

const plain = { aliases: [], links: [], gatewayPriority: 0 }

/** What a container gets that asks for nothing. */
export const defaultAttachment: NetworkAttachment = { network: 'default', name: 'bridge', ...plain }
/** No card. */
export const noAttachment: NetworkAttachment = { network: 'none', name: 'none', ...plain }

export const isIsolated = ({ attachments }: Pick<ContainerSpec, 'attachments'>): boolean =>
  attachments.some(({ network }) => network === 'none')

export interface Wanted {
  readonly attachment: NetworkAttachment
  readonly network: NetworkView
}

/** Throws kind `not_found` for a network that is no more. One that was made again under its name is as good. */
export function wantedOf(context: EngineContext, project: string, attachment: NetworkAttachment): Wanted {
  const { networks } = context.options
  if (attachment.network === 'default') return { attachment, network: networks.defaultNetwork(project) }
  const known = networks.list(project)
  const network =
    known.find(({ id }) => id === attachment.network) ?? known.find(({ name }) => name === attachment.name)
  if (!network) throw notFound('no_such_network', `network ${attachment.network} not found`)
  return { attachment, network }
}

/**
 * The network that leads out, and whose port is published: as in Docker one with a way out, of the highest priority, then the first
 * by name. undefined: none leads out.
 */
export function gatewayOf(wanted: readonly Wanted[]): Wanted | undefined {
  return wanted
    .filter(({ network }) => !network.internal)
    .toSorted(
      (a, b) =>
        b.attachment.gatewayPriority - a.attachment.gatewayPriority ||
        (a.network.name < b.network.name ? -1 : 1),
    )[0]
}

export function portRequest(
  context: EngineContext,
  container: Container,
  { attachment, network }: Wanted,
  { publish, asks4 }: { readonly publish: readonly PublishedPort[]; readonly asks4: string },
): PortRequest {
  const { ipv4, mac } = attachment
  return {
    id: newId(),
    project: container.project,
    network: network.id,
    publish,
    ...(ipv4 ? { ipv4 } : {}),
    ...(mac ? { mac } : {}),
    ...(network.isDefault ? {} : { naming: namingOf(context, container, attachment, asks4) }),
  }
}

/** As Docker: its name, its aliases, its short id and its host name. */
export function namesOf(
  { id, name, spec }: Pick<Container, 'id' | 'name' | 'spec'>,
  attachment: NetworkAttachment,
): readonly string[] {
  return [...new Set([name, ...attachment.aliases, shortId(id), spec.hostname])]
}

export function namingOf(
  context: EngineContext,
  container: Container,
  attachment: NetworkAttachment,
  asks4: string,
): PortNaming {
  const links = attachment.links.map((link) => {
    const { target, alias } = parseLink(link)
    return [alias, context.registry.find(container.project, target).id] as const
  })
  return {
    container: container.id,
    name: container.name,
    names: namesOf(container, attachment),
    links: Object.fromEntries(links),
    nameservers: container.spec.dns,
    asks4,
  }
}

/** `container:alias`, or a container whose name is the alias. */
export function parseLink(link: string): { target: string; alias: string } {
  const [target = '', alias = target] = link.split(':')
  return { target: target.replace(/^\//, ''), alias: alias.replace(/^.*\//, '') }
}

/** On the default network there are no names: who is linked to stands in /etc/hosts, as Docker puts it. */
export function linkedHosts(
  context: EngineContext,
  container: Container,
  wanted: readonly Wanted[],
): readonly { readonly address: string; readonly names: readonly string[] }[] {
  const own = wanted.find(({ network }) => network.isDefault)
  return (own?.attachment.links ?? []).map((link) => {
    const { target, alias } = parseLink(link)
    const { container: other } = context.registry.find(container.project, target)
    const port = isUp(other.state.status) && other.ports.find(({ network }) => network === own!.network.id)
    if (!port) {
      throw conflict(
        'linked_not_running',
        `Cannot link to a non running container: /${other.name} AS /${container.name}/${alias}`,
      )
    }
    const names = [...new Set([alias, shortId(other.id), other.name])]
    return { address: port.ipv4.split('/')[0]!, names }
  })
}

/** `leadsOut`: whether the default route goes through it. */
export function interfaceOf(port: ContainerPort, leadsOut: boolean): SandboxInterface {
  return {
    name: port.interface,
    mac: port.mac,
    mtu: port.mtu,
    addresses: [port.ipv4],
    gateways: leadsOut && port.gateway4 ? [port.gateway4] : [],
  }
}

/** The lowest that none of the ports has: `eth0`, `eth1`, … */
export function freeInterface(ports: readonly ContainerPort[]): string {
  for (let n = 0; ; n++) if (!ports.some((port) => port.interface === `eth${n}`)) return `eth${n}`
}
