/** Docker tells of a container's network by events of the network. */
import type { EngineContext } from './context.ts'
import type { Container } from './model.ts'
import type { Port } from './ports/network.ts'

export function tellNetwork(
  context: EngineContext,
  container: Container,
  port: Port,
  action: 'connect' | 'disconnect',
): void {
  const { id, project } = container
  const { name } = context.options.networks.defaultNetwork(project)
  context.events.publish({
    project,
    type: 'network',
    action,
    actor: { id: port.network, attributes: { container: id, name, type: 'bridge' } },
  })
}
