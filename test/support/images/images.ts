/**
 * Real images, made once from Debian's packages and kept outside the checkout, named by the hash of how they are made. The
 * list of them is in recipes.ts.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheRoot } from '../../../scripts/setup/artifacts.mjs'
import { run } from '../../../src/lib/spawn.ts'
import { minuteMs } from '../../../src/lib/units.ts'

const here = import.meta.dirname

/** Content directory of a registry that holds them all; made when it is not there yet, which takes a minute or two. */
export async function imagesDirectory(): Promise<string> {
  const sum = createHash('sha256')
  for (const name of readdirSync(here).sort()) sum.update(readFileSync(join(here, name)))
  const directory = join(cacheRoot, 'test-images', sum.digest('hex').slice(0, 16))
  if (existsSync(directory)) return directory
  mkdirSync(dirname(directory), { recursive: true })
  // Test files run at the same time: one makes them, the others wait.
  const lock = join(dirname(directory), '.lock')
  const { stderr } = await run('flock', [lock, process.execPath, join(here, 'make.ts'), directory], {
    deadlineMs: 20 * minuteMs,
  })
  process.stderr.write(stderr)
  return directory
}
