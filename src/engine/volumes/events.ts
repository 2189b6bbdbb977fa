/** Docker tells of each mount of a container when it starts, and again when it has ended. */
import type { EngineContext } from '../context.ts'
import type { Container } from '../model.ts'

export function tellMounts(
  { volumes }: EngineContext,
  { id, project, spec }: Container,
  action: 'mount' | 'unmount',
): void {
  for (const { name, destination, readOnly } of spec.mounts) {
    const where = { destination, propagation: '', 'read/write': String(!readOnly) }
    volumes.tell({ project, name, driver: 'local' }, action, {
      container: id,
      ...(action === 'mount' ? where : {}),
    })
  }
}
