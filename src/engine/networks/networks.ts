/** Networks as the front doors see them: each project has its own, found by name, id or the beginning of an id. */
import { forbidden, invalid, kindOf, notFound } from '../../lib/errors.ts'
import type { EngineContext } from '../context.ts'
import type { Container, NetworkAttachment } from '../model.ts'
import type { NetworkRequest, NetworkView } from '../ports/network.ts'
import { connectContainer, disconnectContainer } from './connect.ts'
import { tellNetwork } from './events.ts'

interface Scope {
  readonly project: string
}

export type Networks = ReturnType<typeof createNetworks>

/** Docker's own, that nobody else's network may be called. */
const predefined = ['bridge', 'none', 'host', 'default']
const nameLengthMax = 255

export function createNetworks(context: EngineContext) {
  const { networks } = context.options
  const find = ({ project }: Scope, ref: string) => findNetwork(networks.list(project), ref)
  return {
    async list({ project }: Scope): Promise<readonly NetworkView[]> {
      return networks.list(project)
    },
    async get(scope: Scope, ref: string): Promise<NetworkView> {
      return find(scope, ref)
    },
    async create({ project }: Scope, request: Omit<NetworkRequest, 'project'>): Promise<NetworkView> {
      checkName(request.name)
      const network = await networks.createNetwork({ ...request, project })
      tellNetwork(context, project, network, 'create')
      return network
    },
    async remove(scope: Scope, ref: string): Promise<void> {
      await removeNetwork(context, scope.project, find(scope, ref))
    },
    async prune({ project }: Scope, matches: (network: NetworkView) => boolean): Promise<readonly string[]> {
      const pruned: string[] = []
      for (const network of networks.list(project)) {
        if (network.isDefault || !matches(network)) continue
        try {
          await removeNetwork(context, project, network)
          pruned.push(network.name)
        } catch (error) {
          // In use: what is pruned is what is not.
          if (kindOf(error) !== 'forbidden') throw error
        }
      }
      return pruned
    },
    async connect(
      scope: Scope,
      ref: string,
      containerRef: string,
      attachment: Omit<NetworkAttachment, 'network' | 'name'>,
    ): Promise<void> {
      const network = find(scope, ref)
      const owner = context.registry.find(scope.project, containerRef)
      const id = network.isDefault ? 'default' : network.id
      await connectContainer(context, owner, { ...attachment, network: id, name: network.name })
    },
    /** `none` can be left, too. */
    async disconnect(scope: Scope, ref: string, containerRef: string): Promise<void> {
      const { id, name } = ref === 'none' ? { id: 'none', name: 'none' } : find(scope, ref)
      const owner = context.registry.find(scope.project, containerRef)
      await disconnectContainer(context, owner, { id, name })
    },
    /** Those that have a port in the network now. */
    async containersIn({ project }: Scope, id: string): Promise<readonly Container[]> {
      return context.registry
        .ofProject(project)
        .map(({ container }) => container)
        .filter(({ ports }) => ports.some(({ network }) => network === id))
    },
  }
}

function findNetwork(networks: readonly NetworkView[], ref: string): NetworkView {
  const exact = networks.find(({ id }) => id === ref) ?? networks.find(({ name }) => name === ref)
  if (exact) return exact
  const found = /^[0-9a-f]{1,64}$/.test(ref) ? networks.filter(({ id }) => id.startsWith(ref)) : []
  if (found.length > 1) {
    throw invalid(
      'ambiguous_id',
      `network ${ref} is ambiguous (${found.length} matches found based on ID prefix)`,
    )
  }
  if (!found[0]) throw notFound('no_such_network', `network ${ref.slice(0, 100)} not found`)
  return found[0]
}

function checkName(name: string): void {
  if (name.trim() === '') throw invalid('bad_name', 'invalid name: name is empty')
  if (predefined.includes(name)) {
    throw forbidden('predefined_network', `operation is not permitted on predefined ${name} network`)
  }
  // It is written into tables and shown on terminals.
  if (name.length > nameLengthMax || !/^[^\s/\p{C}]+( [^\s/\p{C}]+)*$/u.test(name)) {
    throw invalid(
      'bad_name',
      `invalid name: a network's has at most ${nameLengthMax} characters, no slashes and no control characters`,
    )
  }
}

async function removeNetwork(context: EngineContext, project: string, network: NetworkView): Promise<void> {
  await context.leaving.settled()
  await context.options.networks.removeNetwork(network.id)
  tellNetwork(context, project, network, 'destroy')
}
