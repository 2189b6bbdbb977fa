/** A container as the store is given it. */
import type { StoredContainer } from '../../engine/ports/store.ts'

export function storedContainer(id: string): StoredContainer {
  const state = {
    status: 'created',
    exitCode: 0,
    startedAt: null,
    finishedAt: null,
    health: null,
    stop: null,
  }
  const spec = { env: ['A=b'.repeat(200)], mounts: [], attachments: [] }
  const rest = { sandbox: null, ports: [], scratchBaseBytes: null }
  const container = { id, project: 'default', name: `n${id}`, createdAt: new Date(), spec, state, ...rest }
  // What the store does not look into.
  return container as unknown as StoredContainer
}
