/** Takes everything a port needs, of its network and of the host; each thing taken adds to `undo` how it is given back. */
import type { PortRequest, PublishedPort } from '../../engine/ports/network.ts'
import type { Rollback } from '../../lib/rollback.ts'
import type { PortRecord, PublishedRecord } from '../ports/records.ts'
import type { HostPorts } from './host-ports.ts'
import { checkedPublish, portNotTaken } from './port-request.ts'
import type { TenantNetwork } from './tenant-network.ts'

export async function reservePort(
  request: PortRequest,
  network: TenantNetwork,
  hostPorts: HostPorts,
  undo: Rollback,
): Promise<PortRecord> {
  const publish = checkedPublish(request)
  const reservation = network.reserveAddress(request)
  undo.add(() => network.releaseAddress(reservation))
  const published = await reservePublished(request.id, publish, network, hostPorts, undo)
  const naming = request.naming ?? null
  return { id: request.id, network: request.network, ...reservation, tap: null, naming, published }
}

/** `publish` is checked already. */
export async function reservePublished(
  id: string,
  publish: readonly PublishedPort[],
  network: TenantNetwork,
  hostPorts: HostPorts,
  undo: Rollback,
): Promise<readonly PublishedRecord[]> {
  const published: PublishedRecord[] = []
  for (const { containerPort, ...wanted } of publish) {
    const taken = await hostPorts.take(wanted)
    if (typeof taken === 'string') throw portNotTaken(id, wanted, taken)
    undo.add(() => hostPorts.release(taken))
    const { protocol, hostAddress, hostPort } = taken
    const transitPort = network.reserveTransitPort(taken)
    undo.add(() => network.releaseTransitPort({ protocol, transitPort }))
    published.push({ protocol, hostAddress, hostPort, containerPort, transitPort })
  }
  return published
}
