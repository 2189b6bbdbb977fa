/** How many descriptors the daemon may have, and how many of them are for connections: those of sandboxes go before. */
import { readFileSync } from 'node:fs'
import { defaultLimits } from '../api/limits.ts'
import { unavailable } from '../lib/errors.ts'

/** Infinity where there is no limit. Node has raised it to what its parent allows. */
export function openFilesMax(limits = readFileSync('/proc/self/limits', 'utf8')): number {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? []
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

/** What a QEMU is given, which nobody can give who has less; and some ten for each container. */
const openFilesLeast = 1024

/** Throws kind `unavailable` where sandboxes could not be started. */
export function checkOpenFiles(openFiles: number): void {
  if (openFiles >= openFilesLeast) return
  throw unavailable(
    'too_few_files',
    `the daemon may have ${openFiles} files open and needs ${openFilesLeast} at least: raise the limit (\`ulimit -n\`, or LimitNOFILE= of its unit)`,
  )
}

/** A container has some ten: connections have a quarter of all, so that what runs can be looked after whoever connects. */
export function connectionsFor(openFiles: number): number {
  return Math.max(8, Math.min(defaultLimits.connectionsMax, Math.floor(openFiles / 4)))
}
