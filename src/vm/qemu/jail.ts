/**
 * How a QEMU is started: in the network namespace of its card, as a user of its own without any privilege, with nothing of
 * the daemon's environment. Under emulation this is the boundary that holds (QEMU promises none then).
 */
import { chmod, stat } from 'node:fs/promises'
import { tapGid } from '../../lib/host-ids.ts'
import type { Log } from '../../lib/log.ts'

export interface JailSpec {
  readonly uid: number
  /** Path of a network namespace; null: an empty one. */
  readonly netns: string | null
  readonly groups: readonly number[]
}

export const jailEnvironment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

/** `-sandbox` of QEMU: what it never needs after its start. */
export const seccomp = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'

export function jailed({ uid, netns, groups }: JailSpec, command: readonly string[]): [string, string[]] {
  const inNamespace = netns === null ? ['unshare', '--net', '--'] : ['nsenter', `--net=${netns}`, '--']
  const [program, ...args] = [
    ...inNamespace,
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    `--groups=${[tapGid, ...groups].join(',')}`,
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
    '--',
    ...command,
  ]
  return [program!, args]
}

/**
 * Makes /dev/net/tun what Debian's own udev rule makes it, where no udev runs: everyone may open it, and only who owns a tap
 * can do anything with it.
 */
export async function openTun(log: Log): Promise<void> {
  const path = '/dev/net/tun'
  const { mode } = await stat(path)
  if ((mode & 0o666) === 0o666) return
  log.warn(
    { path, mode: (mode & 0o777).toString(8) },
    "opening /dev/net/tun for sandboxes' own users, as udev does (mode 0666)",
  )
  await chmod(path, 0o666)
}

/** The group through which a user may open /dev/kvm; there may be none. */
export async function kvmGroup(): Promise<number | undefined> {
  const { gid, mode } = await stat('/dev/kvm')
  return (mode & 0o060) === 0o060 && gid !== 0 ? gid : undefined
}
