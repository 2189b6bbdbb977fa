/**
 * Connecting a container to a network, and taking it out of one, in its queue. Of one that runs: at once, with a card that is added
 * to the sandbox. Of any: kept for the next start. The order is port, card, packets, address in the guest; back the same way.
 */
import { forbidden, invalid, messageOf } from '../../lib/errors.ts'
import { Rollback } from '../../lib/rollback.ts'
import type { EngineContext } from '../context.ts'
import { denial } from '../lifecycle.ts'
import type { ContainerPort, ContainerStatus, NetworkAttachment } from '../model.ts'
import type { ContainerOwner } from '../owner.ts'
import type { Sandbox } from '../ports/sandbox.ts'
import {
  freeInterface,
  gatewayOf,
  interfaceOf,
  isIsolated,
  namingOf,
  portRequest,
  type Wanted,
  wantedOf,
} from './attachments.ts'
import { tellPort } from './events.ts'
import { rewriteHostFiles } from './host-files.ts'

const hasGuest = (status: ContainerStatus) => status === 'running' || status === 'stopping'

export async function connectContainer(
  context: EngineContext,
  owner: ContainerOwner,
  attachment: NetworkAttachment,
): Promise<void> {
  await owner.perform('update', async () => {
    const { container } = owner
    const { spec } = container
    if (isIsolated(spec)) {
      throw invalid(
        'private_mode',
        'container cannot be connected to multiple networks with one of the networks in private (none) mode',
      )
    }
    if (spec.attachments.some(({ network }) => network === attachment.network)) {
      throw forbidden(
        'already_connected',
        `endpoint with name ${container.name} already exists in network ${attachment.name}`,
      )
    }
    const wanted = wantedOf(context, container.project, attachment)
    if (owner.status === 'paused') throw denial('is_paused', container)
    await using undo = new Rollback()
    if (hasGuest(owner.status)) await join(context, owner, wanted, undo)
    await changeAttachments(context, owner, [...spec.attachments, attachment])
    undo.commit()
  })
}

export async function disconnectContainer(
  context: EngineContext,
  owner: ContainerOwner,
  network: { readonly id: string; readonly name: string },
): Promise<void> {
  await owner.perform('update', async () => {
    const { container } = owner
    const { attachments } = container.spec
    const rest = attachments.filter(({ name }) => name !== network.name)
    if (rest.length === attachments.length) {
      throw forbidden(
        'not_connected',
        `container ${container.id} is not connected to network ${network.name}`,
      )
    }
    if (owner.status === 'paused') throw denial('is_paused', container)
    await changeAttachments(context, owner, rest)
    const port = container.ports.find(({ networkName }) => networkName === network.name)
    if (port && hasGuest(owner.status)) await leave(context, owner, port)
  })
}

async function changeAttachments(
  context: EngineContext,
  owner: ContainerOwner,
  attachments: readonly NetworkAttachment[],
): Promise<void> {
  const spec = { ...owner.container.spec, attachments }
  await context.options.containers.updateSpec(owner.id, spec)
  owner.change({ spec })
}

/** A port of a container that runs. */
async function join(
  context: EngineContext,
  owner: ContainerOwner,
  wanted: Wanted,
  undo: Rollback,
): Promise<void> {
  const { networks } = context.options
  const { container } = owner
  const run = owner.run!
  const sandbox = run.sandbox!
  const home = sandbox.handle.nic
  if (!home) {
    throw invalid(
      'no_card',
      `container ${container.name} was started without a network: stop it, and start it when it is connected`,
    )
  }
  const leadsOut = !wanted.network.internal && !container.ports.some(({ leadsOut }) => leadsOut)
  const asks4 =
    container.ports.find(({ resolver4 }) => resolver4)?.asks4 ??
    (wanted.network.isDefault ? '' : wanted.network.gateway4)
  const publish = leadsOut ? container.spec.publish : []
  const request = portRequest(context, container, wanted, { publish, asks4 })
  const made = await networks.createPort(request)
  undo.add(() => networks.deletePort(made.id))
  const isFirst = !container.ports.some(({ slot }) => slot === 0)
  const nic = isFirst ? home : await networks.createNic(home)
  let slot = 0
  if (!isFirst) {
    undo.add(() => networks.deleteNic(nic))
    slot = await sandbox.attachNic(nic)
    undo.add(() => sandbox.detachNic(slot))
  } else undo.add(() => networks.parkNic(home))
  const port: ContainerPort = { ...made, slot, interface: freeInterface(container.ports), leadsOut, asks4 }
  await networks.plug(port, nic)
  await sandbox.setInterface(slot, interfaceOf(port, leadsOut))
  undo.add(() => sandbox.removeInterface(port.interface))
  const before = { ports: container.ports, sandbox: container.sandbox }
  undo.add(() => {
    owner.change(before)
    run.ports = before.ports
  })
  const nics = { ...container.sandbox?.nics, ...(slot > 0 ? { [slot]: nic } : {}) }
  owner.change({ ports: [...container.ports, port], sandbox: { ...container.sandbox!, nics } })
  run.ports = owner.container.ports
  await owner.save()
  await rewriteHostFiles(context, owner, before.ports)
  tellPort(context, container, port, 'connect')
}

/** What was published on it, and the way out, go to another network that has one. */
async function leave(context: EngineContext, owner: ContainerOwner, port: ContainerPort): Promise<void> {
  const { networks } = context.options
  const { container } = owner
  const run = owner.run!
  const sandbox = run.sandbox!
  await takeDown(context, owner, sandbox, port)
  await networks.deletePort(port.id)
  const { [port.slot]: nic, ...nics } = container.sandbox?.nics ?? {}
  if (port.slot === 0) await networks.parkNic(sandbox.handle.nic!)
  else {
    await sandbox.detachNic(port.slot)
    if (nic) await networks.deleteNic(nic)
  }
  const rest = container.ports.filter(({ id }) => id !== port.id)
  owner.change({ ports: rest, sandbox: { ...container.sandbox!, nics } })
  run.ports = rest
  if (port.leadsOut) await leadOut(context, owner, sandbox)
  await owner.save()
  await rewriteHostFiles(context, owner, container.ports)
  tellPort(context, container, port, 'disconnect')
}

/** A guest that cannot be told any more is no reason to keep the port. */
async function takeDown(
  context: EngineContext,
  owner: ContainerOwner,
  sandbox: Sandbox,
  port: ContainerPort,
): Promise<void> {
  try {
    await sandbox.removeInterface(port.interface)
  } catch (error) {
    context.log.warn(
      { container: owner.id, interface: port.interface, error: messageOf(error) },
      'a guest did not give up an interface; its card is taken away all the same',
    )
  }
}

async function leadOut(context: EngineContext, owner: ContainerOwner, sandbox: Sandbox): Promise<void> {
  const { networks } = context.options
  const { ports, spec, project } = owner.container
  const wanted = spec.attachments.map((attachment) => wantedOf(context, project, attachment))
  const next = gatewayOf(wanted.filter(({ network }) => ports.some((port) => port.network === network.id)))
  const port = next && ports.find(({ network }) => network === next.network.id)
  if (!port) return
  const published = spec.publish.length > 0 ? await networks.publish(port.id, spec.publish) : port
  const changed = { ...port, published: published.published, leadsOut: true }
  await sandbox.setInterface(port.slot, interfaceOf(changed, true))
  owner.change({ ports: ports.map((other) => (other.id === port.id ? changed : other)) })
  owner.run!.ports = owner.container.ports
}

/** After a rename: what it is called in the networks that it is in. */
export async function renamePorts(context: EngineContext, owner: ContainerOwner): Promise<void> {
  const { container } = owner
  for (const port of container.ports) {
    const attachment = container.spec.attachments.find(({ name }) => name === port.networkName)
    if (!attachment || !port.resolver4) continue
    await context.options.networks.rename(port.id, namingOf(context, container, attachment, port.asks4))
  }
}
