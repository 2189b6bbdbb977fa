/** Debian's docker-registry on loopback: with the images of images/recipes.ts, or empty and writable. */
import { startRegistry, type TestRegistry } from '../../src/images/support/registry.ts'
import type { Rollback } from '../../src/lib/rollback.ts'
import { imagesDirectory } from './images/images.ts'

const ended = (undo: Rollback) => ({ after: (step?: unknown) => undo.add(step as () => unknown) })

/** Several may serve them at once, so nobody writes to them. */
export async function serveImages(undo: Rollback): Promise<TestRegistry> {
  return startRegistry(ended(undo), { content: await imagesDirectory(), readOnly: true })
}

export function emptyRegistry(undo: Rollback): Promise<TestRegistry> {
  return startRegistry(ended(undo))
}
