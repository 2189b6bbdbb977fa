/**
 * How a QEMU is started, and what it cannot do then. Each step takes something away, and none gives anything back:
 *
 *     nsenter      the view (no file of the host) and the network namespace of its card
 *     unshare      a mount namespace of its own
 *     dash         /s and /d become its own directories; limits of open files, file sizes and core dumps
 *     setpriv      a user of its own without groups (but the taps' and KVM's), no capability, no new privileges
 *     QEMU         seccomp: no fork, no exec, no change of privileges or resources, nothing obsolete
 *
 * and it is in a cgroup of its own. Under emulation this is the boundary that holds: QEMU promises none then.
 */
import { existsSync } from 'node:fs'
import { chmod, chown, stat } from 'node:fs/promises'
import { tapGid } from '../../lib/host-ids.ts'
import type { Log } from '../../lib/log.ts'
import { GiB } from '../../lib/units.ts'
import { tools, viewPaths } from './view.ts'

export interface JailSpec {
  /** Of its directories below /s and /d. */
  readonly name: string
  readonly uid: number
  /** Path of a network namespace; null: an empty one. */
  readonly netns: string | null
  readonly groups: readonly number[]
}

/** `-sandbox` of QEMU: what it never needs after its start. */
export const seccomp = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'

/** Disks, sockets, libraries' files while it starts. */
const openFilesMax = 256
/** No disk is larger. In blocks of 512 bytes. */
const fileBlocksMax = (1_024 * GiB) / 512

const lastSteps = `
${tools.mount} -n -o bind,nosuid,nodev,noexec "${viewPaths.sockets}/$1" ${viewPaths.sockets}
${tools.mount} -n -o bind,nosuid,nodev,noexec "${viewPaths.disks}/$1" ${viewPaths.disks}
cd /
ulimit -c 0; ulimit -n ${openFilesMax}; ulimit -f ${fileBlocksMax}
shift; unset OLDPWD PWD
exec "$@"
`

/** The command that ends as `command` in the jail: program and arguments. It is to be started with no environment at all. */
export function jailed(
  view: string,
  { name, uid, netns, groups }: JailSpec,
  command: readonly string[],
): [string, string[]] {
  return [
    '/usr/bin/nsenter',
    [
      ...[`--mount=${view}`, ...(netns === null ? [] : [`--net=${netns}`]), '--'],
      ...[tools.unshare, '--mount', '--propagation', 'private', ...(netns === null ? ['--net'] : []), '--'],
      ...[tools.shell, '-euc', lastSteps, 'jail', name],
      tools.setpriv,
      `--reuid=${uid}`,
      `--regid=${uid}`,
      `--groups=${[tapGid, ...groups].join(',')}`,
      '--inh-caps=-all',
      '--ambient-caps=-all',
      '--bounding-set=-all',
      '--no-new-privs',
      '--',
      ...command,
    ],
  ]
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
