/**
 * Real images, made once from Debian's packages and kept outside the checkout, named by the hash of how they are made. The
 * list of them is in recipes.ts.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheRoot } from '../../../scripts/setup/artifacts.mjs'
import { minuteMs } from '../../../src/lib/units.ts'

const here = import.meta.dirname

/** Content directory of a registry that holds them all; made when it is not there yet, which takes a minute or two. */
export async function imagesDirectory(): Promise<string> {
  const sum = createHash('sha256')
  // Not this file: it only looks for them.
  const sources = readdirSync(here).filter((name) => join(here, name) !== import.meta.filename)
  for (const name of sources.sort()) sum.update(readFileSync(join(here, name)))
  const directory = join(cacheRoot, 'test-images', sum.digest('hex').slice(0, 16))
  if (existsSync(directory)) return directory
  mkdirSync(dirname(directory), { recursive: true })
  // Test files run at the same time: one makes them, the others wait.
  const lock = join(dirname(directory), '.lock')
  const child = spawn('flock', [lock, process.execPath, join(here, 'make.ts'), directory], {
    // Its progress is for a person to see.
    stdio: ['ignore', 2, 2],
    timeout: 20 * minuteMs,
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the images could not be made: node make.ts ended with ${code}`)
  return directory
}

if (import.meta.main) await imagesDirectory()
