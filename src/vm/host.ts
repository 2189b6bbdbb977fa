/** What the host must have for sandboxes: enough memory for one more, and paths that their users can go. */
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exhausted, invalid } from '../lib/errors.ts'
import { KiB, MiB } from '../lib/units.ts'

/** Memory of the host that is never given to a sandbox: for the daemon, and the page cache that makes images fast. */
const reservedBytes = 256 * MiB
/** What a sandbox has of its own as soon as it runs. */
const sandboxBytes = 64 * MiB

/** Sandboxes run as users of their own, who have to get to their files. */
export async function requireReachable(path: string): Promise<void> {
  for (let above = dirname(path); above !== '/'; above = dirname(above)) {
    const { mode } = await stat(above).catch(() => ({ mode: 0o777 }))
    if ((mode & 0o001) !== 0) continue
    throw invalid(
      'unreachable',
      `${path} cannot be reached by the users that sandboxes run as: chmod o+x ${above}, or choose another place`,
    )
  }
}

/** Guests take their memory as they use it: what is there now says whether another can begin. */
export async function requireMemory(): Promise<void> {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))
  const bytes = Number(available?.[1] ?? 0) * KiB
  if (bytes >= reservedBytes + sandboxBytes) return
  throw exhausted(
    'host_memory',
    `this host has ${Math.floor(bytes / MiB)} MiB of memory left, which is too little for another sandbox; stop containers, or give it more`,
  )
}
