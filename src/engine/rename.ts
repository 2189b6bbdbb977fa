/** A container's other name. */
import { invalid } from '../lib/errors.ts'
import { type EngineContext, tell } from './context.ts'
import { denial } from './lifecycle.ts'
import { renamePorts } from './networks/connect.ts'
import type { ContainerOwner } from './owner.ts'

export async function renameContainer(
  context: EngineContext,
  owner: ContainerOwner,
  name: string,
): Promise<void> {
  const { registry } = context
  const { project, name: oldName } = owner.container
  if (name === oldName) {
    throw invalid('same_name', 'Renaming a container with the same name as its current name')
  }
  registry.reserveName(project, name, owner.id)
  try {
    await owner.queue.run(async () => {
      if (owner.status === 'removing') throw denial('is_removing', owner.container)
      const before = owner.container.name
      owner.change({ name })
      try {
        await owner.save()
      } catch (error) {
        owner.change({ name: before })
        throw error
      }
      registry.releaseName(project, before)
      await renamePorts(context, owner)
      tell(context, owner.container, 'rename', { oldName: `/${before}` })
    })
  } catch (error) {
    registry.releaseName(project, name)
    throw error
  }
}
