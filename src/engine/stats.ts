/** What a container uses, and who runs in it. */
import { stat } from 'node:fs/promises'
import { conflict } from '../lib/errors.ts'
import { type EngineContext, tell } from './context.ts'
import { isLive } from './lifecycle.ts'
import type { ContainerOwner } from './owner.ts'
import type { ContainerStats, ContainerTask } from './ports/sandbox.ts'

export async function containerStats(owner: ContainerOwner): Promise<ContainerStats> {
  const frozen = owner.run?.frozen ? owner.run.frozenStats : null
  if (frozen) return frozen
  const run = await owner.inUse()
  return run.sandbox!.stats(owner.id)
}

export async function containerTasks(
  context: EngineContext,
  owner: ContainerOwner,
): Promise<readonly ContainerTask[]> {
  if (owner.status === 'paused') {
    throw conflict('paused', `Container ${owner.id} is paused, unpause it to see its processes`)
  }
  const run = await owner.inUse()
  const tasks = await run.sandbox!.tasks(owner.id)
  tell(context, owner.container, 'top')
  return tasks
}

export async function resizeContainer(
  context: EngineContext,
  owner: ContainerOwner,
  rows: number,
  columns: number,
): Promise<void> {
  const { id, project, name, spec } = owner.container
  // As with dockerd: what has no terminal has no size either, whatever its client believes.
  if (!spec.tty && isLive(owner.status)) return
  const run = await owner.inUse()
  await run.process!.resize(rows, columns)
  const attributes = { ...spec.labels, image: spec.image, name, height: String(rows), width: String(columns) }
  context.events.publish({ project, type: 'container', action: 'resize', actor: { id, attributes } })
}

/** Blocks that the file really has, in bytes. */
async function allocatedBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * 512
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

export async function writableBytes(owner: ContainerOwner): Promise<number> {
  const base = owner.container.scratchBaseBytes
  return base === null ? 0 : Math.max(0, (await allocatedBytes(owner.scratchPath)) - base)
}

export async function containerSizes(
  context: EngineContext,
  owner: ContainerOwner,
): Promise<{ writable: number; root: number }> {
  const image = await context.options.images.blockImage(owner.container.spec.imageId)
  const [writable, root] = await Promise.all([writableBytes(owner), allocatedBytes(image)])
  return { writable, root }
}
