/**
 * How a QEMU is started: in the network namespace of its card, as a user of its own without any privilege, with nothing of
 * the daemon's environment. Under emulation this is the boundary that holds (QEMU promises none then).
 */
import { existsSync } from 'node:fs'
import { chmod, chown, stat } from 'node:fs/promises'
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
 * Makes a device what Debian's own udev rules make it, where no udev runs: everyone may open /dev/net/tun, and only who owns a tap
 * can do anything with it; /dev/kvm belongs to a group.
 */
export async function openDevices(log: Log): Promise<void> {
  await open('/dev/net/tun', 0o666, log)
  if (existsSync('/dev/kvm') && (await kvmGroup()) === undefined) {
    await chown('/dev/kvm', 0, tapGid)
    await open('/dev/kvm', 0o660, log)
  }
}

async function open(path: string, mode: number, log: Log): Promise<void> {
  if (((await stat(path)).mode & mode) === mode) return
  log.warn({ path, mode: mode.toString(8) }, "opening a device for the sandboxes' own users, as udev does")
  await chmod(path, mode)
}

/** The group through which a user may open /dev/kvm; there may be none. */
export async function kvmGroup(): Promise<number | undefined> {
  const { gid, mode } = await stat('/dev/kvm')
  return (mode & 0o060) === 0o060 && gid !== 0 ? gid : undefined
}
