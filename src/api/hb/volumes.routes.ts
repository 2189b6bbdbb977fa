/**
 * What Docker's API has no words for: how large volumes are, growing them, and copies of them. JSON in our own words, times as
 * RFC 3339, sizes in bytes; errors as Docker's, `{"message": …}`.
 */
import { invalid } from '../../lib/errors.ts'
import type { VolumeSnapshotView, VolumesBackend, VolumeView } from '../docker/backends.ts'
import type { Output } from '../docker/output.ts'
import type { Exchange } from '../exchange.ts'
import { noQuery, type Route, route } from '../route.ts'
import * as schema from './volumes.schema.ts'

const since = '1.41'
const query = noQuery

export const hbVolumeRoutes: readonly Route[] = [
  route('GET', '/hb/v1/volumes', list, { query, since }),
  route('GET', '/hb/v1/snapshots', snapshots, { query, since }),
  route('GET', '/hb/v1/volumes/:name', inspect, { query, since }),
  route('POST', '/hb/v1/volumes/:name/grow', grow, { query, since, body: schema.growBody }),
  route('POST', '/hb/v1/volumes/:name/restore', restore, { query, since, body: schema.restoreBody }),
  route('POST', '/hb/v1/volumes/:name/clone', clone, { query, since, body: schema.cloneBody }),
  route('GET', '/hb/v1/volumes/:name/snapshots', snapshots, { query, since }),
  route('POST', '/hb/v1/volumes/:name/snapshots', snapshot, { query, since, body: schema.snapshotBody }),
  route('DELETE', '/hb/v1/volumes/:name/snapshots/:snapshot', removeSnapshot, { query, since }),
]

type Scope = Exchange['scope']

async function volumeJson(volumes: VolumesBackend, scope: Scope, volume: VolumeView) {
  const { name, anonymous, labels, options, sizeBytes, createdAt, containers, attachments } = volume
  return {
    ...{ name, anonymous, labels, options, sizeBytes },
    usedBytes: await volumes.usedBytes(scope, name),
    createdAt: createdAt.toISOString(),
    ...{ containers, attachments },
  }
}

async function snapshotJson(volumes: VolumesBackend, scope: Scope, snapshot: VolumeSnapshotView) {
  const { volume, name, sizeBytes, createdAt } = snapshot
  return {
    ...{ volume, name, sizeBytes },
    usedBytes: await volumes.snapshotUsedBytes(scope, volume, name),
    createdAt: createdAt.toISOString(),
  }
}

async function list({ backends: { volumes }, scope, reply }: Exchange): Promise<void> {
  const all = await volumes.list(scope)
  reply.json(200, await Promise.all(all.map((volume) => volumeJson(volumes, scope, volume))))
}

async function inspect({ backends: { volumes }, scope, params, reply }: Exchange): Promise<void> {
  reply.json(200, await volumeJson(volumes, scope, await volumes.get(scope, params.name!)))
}

async function grow(exchange: Exchange<unknown, Output<typeof schema.growBody>>): Promise<void> {
  const { backends, scope, params, body, reply } = exchange
  if (body.sizeBytes <= 0) throw invalid('bad_volume_size', 'sizeBytes must be a positive number of bytes')
  const grown = await backends.volumes.grow(scope, params.name!, body.sizeBytes)
  reply.json(200, await volumeJson(backends.volumes, scope, grown))
}

async function snapshots({ backends: { volumes }, scope, params, reply }: Exchange): Promise<void> {
  const found = await volumes.snapshots(scope, params.name)
  // Of a volume that is gone there may be some; of one that never was there are none.
  if (params.name !== undefined && found.length === 0) await volumes.get(scope, params.name)
  reply.json(200, await Promise.all(found.map((snapshot) => snapshotJson(volumes, scope, snapshot))))
}

async function snapshot(exchange: Exchange<unknown, Output<typeof schema.snapshotBody>>): Promise<void> {
  const { backends, scope, params, body, reply } = exchange
  const taken = await backends.volumes.snapshot(scope, params.name!, body.name || nameOfNow(new Date()))
  reply.json(201, await snapshotJson(backends.volumes, scope, taken))
}

/** `20260131-235959-123`. */
function nameOfNow(now: Date): string {
  return now.toISOString().replace(/[-:Z]/g, '').replace(/[T.]/g, '-')
}

async function removeSnapshot({ backends, scope, params, reply }: Exchange): Promise<void> {
  await backends.volumes.removeSnapshot(scope, params.name!, params.snapshot!)
  reply.empty(204)
}

async function restore(exchange: Exchange<unknown, Output<typeof schema.restoreBody>>): Promise<void> {
  const { backends, scope, params, body, reply } = exchange
  await backends.volumes.restore(scope, params.name!, body.snapshot)
  reply.empty(204)
}

async function clone(exchange: Exchange<unknown, Output<typeof schema.cloneBody>>): Promise<void> {
  const { backends, scope, params, body, reply } = exchange
  const { name, snapshot } = body
  const target = { name, ...(snapshot === '' ? {} : { snapshot }) }
  const cloned = await backends.volumes.clone(scope, params.name!, target)
  reply.json(201, await volumeJson(backends.volumes, scope, cloned))
}
