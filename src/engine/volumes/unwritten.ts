/** Whether a guest may hold what belongs into a volume that stays: then its sandbox is not ended before that is written. */
import type { EngineContext } from '../context.ts'
import type { ContainerOwner } from '../owner.ts'
import type { Run } from '../run.ts'

export function hasUnwritten(
  { volumes }: EngineContext,
  { id, container }: Pick<ContainerOwner, 'id' | 'container'>,
  { dropsAnonymous }: Pick<Run, 'dropsAnonymous'>,
): boolean {
  const goesToo = (volume: string) => volumes.usersOf(volume).every((user) => user === id)
  return container.spec.mounts.some(
    ({ readOnly, anonymous, volume }) => !readOnly && !(dropsAnonymous && anonymous && goesToo(volume)),
  )
}
