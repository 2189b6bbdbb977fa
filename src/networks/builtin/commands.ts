/** The three programs that change the kernel's networking, each fed one script per call. */
import { statfs } from 'node:fs/promises'
import { run } from '../../lib/spawn.ts'
import { secondMs } from '../../lib/units.ts'

/** They take milliseconds; on a host that is swapping, seconds. */
const commandDeadlineMs = 20 * secondMs

/** NSFS_MAGIC: what a live namespace's file is on. Any other file there is left from a crash. */
const namespaceFileSystem = 0x6e736673

/** One `ip` command a line; stops at the first that fails. `namespace`: its name, else the host's. */
export async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return
  const inside = namespace === undefined ? [] : ['-n', namespace]
  await run('ip', [...inside, '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    deadlineMs: commandDeadlineMs,
  })
}

/** The JSON answer of an `ip` command that lists. */
export async function ipList(args: readonly string[], namespace?: string): Promise<readonly unknown[]> {
  const inside = namespace === undefined ? [] : ['-n', namespace]
  const { stdout } = await run('ip', [...inside, '-j', ...args], { deadlineMs: commandDeadlineMs })
  const answer: unknown = JSON.parse(stdout.trim() || '[]')
  return Array.isArray(answer) ? answer : []
}

/** One transaction: all of the script or nothing. `netns`: path of the namespace, else the host's. */
export async function nft(script: string, netns?: string): Promise<void> {
  const options = { input: script, deadlineMs: commandDeadlineMs }
  if (netns === undefined) await run('nft', ['-f', '-'], options)
  else await run('nsenter', [`--net=${netns}`, 'nft', '-f', '-'], options)
}

/** Kernel settings of a namespace; those that the kernel does not have are skipped. */
export async function sysctls(settings: Readonly<Record<string, string>>, netns: string): Promise<void> {
  const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  await run('nsenter', [`--net=${netns}`, 'sysctl', '-q', '-e', '-w', ...pairs], {
    deadlineMs: commandDeadlineMs,
  })
}

export async function namespaceExists(netns: string): Promise<boolean> {
  try {
    return (await statfs(netns)).type === namespaceFileSystem
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
