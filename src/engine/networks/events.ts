/** Docker tells of networks, and of what comes to be in them, by events of the network. */
import type { EngineContext } from '../context.ts'
import type { Container, ContainerPort } from '../model.ts'
import type { NetworkView } from '../ports/network.ts'

export function tellPort(
  context: EngineContext,
  { id: container, project }: Container,
  port: ContainerPort,
  action: 'connect' | 'disconnect',
): void {
  context.events.publish({
    project,
    type: 'network',
    action,
    actor: { id: port.network, attributes: { container, name: port.networkName, type: 'bridge' } },
  })
}

export function tellNetwork(
  context: EngineContext,
  project: string,
  { id, name }: NetworkView,
  action: 'create' | 'destroy',
): void {
  context.events.publish({
    project,
    type: 'network',
    action,
    actor: { id, attributes: { name, type: 'bridge' } },
  })
}
