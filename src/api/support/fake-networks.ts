/** Networks for specs of the front door: kept in memory, and found by name or id. */

import type { NetworkView } from '../../engine/ports/network.ts'
import { forbidden, notFound } from '../../lib/errors.ts'
import type { NetworksBackend } from '../docker/backends.ts'

export const bridgeView: NetworkView = {
  ...{ id: 'b'.repeat(64), name: 'bridge', createdAt: new Date(0), isDefault: true },
  ...{ subnet4: '172.30.0.0/16', gateway4: '172.30.0.1', ipRange4: '', auxAddresses: {} },
  ...{ hasOwnSubnet: false, internal: false, attachable: false, labels: {}, options: {} },
}
export const ownView: NetworkView = {
  ...bridgeView,
  ...{ id: 'c'.repeat(64), name: 'own', isDefault: false, subnet4: '10.1.0.0/24', gateway4: '10.1.0.1' },
  hasOwnSubnet: true,
}

export const fakeNetwork = (views: readonly NetworkView[], ref: string): NetworkView => {
  const found = views.find(({ id, name }) => name === ref || (ref !== '' && id.startsWith(ref)))
  if (!found) throw notFound('no_such_network', `network ${ref} not found`)
  return found
}

export class FakeNetworks implements NetworksBackend {
  readonly views: NetworkView[] = [bridgeView]
  /** What was connected and disconnected: `connect own web`. */
  readonly done: string[] = []

  async list() {
    return this.views
  }

  async get(_: unknown, ref: string) {
    return fakeNetwork(this.views, ref)
  }

  async create(...[, request]: Parameters<NetworksBackend['create']>) {
    const { name, internal, labels, options, subnet4 = ownView.subnet4 } = request
    const id = String(this.views.length).repeat(64)
    const view = { ...ownView, id, name, internal, labels, options, subnet4 }
    this.views.push(view)
    return view
  }

  async remove(_: unknown, ref: string) {
    const view = fakeNetwork(this.views, ref)
    if (view.isDefault) {
      throw forbidden('predefined_network', 'bridge is a pre-defined network and cannot be removed')
    }
    this.views.splice(this.views.indexOf(view), 1)
  }

  async prune(_: unknown, matches: (network: NetworkView) => boolean) {
    const pruned = this.views.filter((view) => !view.isDefault && matches(view))
    for (const view of pruned) this.views.splice(this.views.indexOf(view), 1)
    return pruned.map(({ name }) => name)
  }

  async connect(_: unknown, ref: string, container: string) {
    this.done.push(`connect ${fakeNetwork(this.views, ref).name} ${container}`)
  }

  async disconnect(_: unknown, ref: string, container: string) {
    this.done.push(`disconnect ${ref} ${container}`)
  }

  async containersIn() {
    return []
  }
}
