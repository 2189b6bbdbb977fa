/**
 * Network, mount and process namespaces of their own for daemons that expect a host of their own: a loopback, rules and
 * bridges nobody else sees, an empty /run and /dev/shm. When the first process of an enclosure ends, the kernel ends every
 * other and takes down their mounts and links. What is left then is what lies on the host's disk and in its cgroups:
 * `removeTraces` removes both.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../src/lib/deadline.ts'
import { minuteMs } from '../../src/lib/units.ts'

const diskRoot = '/var/tmp'
const cgroupRoot = '/sys/fs/cgroup'

const namespaces = '--net --mount --propagation private --pid --mount-proc --fork --kill-child'.split(' ')

/** The first process of the enclosure: bash, because it also reaps what daemons leave behind. */
const firstProcess = `
set -e
mount -t tmpfs -o mode=755 none /run
mkdir /run/lock /run/cgroup
mount -t tmpfs none /dev/shm
# The host's /sys shows the host's links; the new one shows ours, and needs the cgroups put back.
mount --rbind ${cgroupRoot} /run/cgroup
mount -t sysfs none /sys
mount --rbind /run/cgroup ${cgroupRoot}
umount -R -l /run/cgroup
ip link set lo up
# Who may open it is changed by Hummingbird, as udev would; not for the host.
mount -t tmpfs -o mode=755 none /dev/net
mknod -m 600 /dev/net/tun c 10 200
"$@" &
wait $!
`

/** Everything of one enclosure that is not in a namespace, by one name. */
export interface Place {
  /** On the disk, and seen from inside and outside alike. */
  readonly directory: string
  /** For the cgroups of what runs in it. */
  readonly cgroup: string
}

export const placeOf = (name: string): Place => ({ directory: join(diskRoot, name), cgroup: name })

/** Its traces are the caller's to remove when it has ended. It ends with us, even when we are killed. */
export function startEnclosed(
  name: string,
  command: readonly string[],
  options: Pick<SpawnOptions, 'stdio' | 'env' | 'detached'>,
): ChildProcess {
  mkdirSync(placeOf(name).directory, { mode: 0o711, recursive: true })
  const inside = [...namespaces, 'bash', '-c', firstProcess, name, ...command]
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...inside], options)
}

/** Of enclosures named so and the pid of who made them: one that was killed outright left what is removed here. */
export async function removeTracesOfKilled(prefix: string): Promise<void> {
  for (const name of readdirSync(diskRoot).filter((entry) => entry.startsWith(prefix))) {
    if (!existsSync(`/proc/${name.slice(prefix.length)}`)) await removeTraces(name)
  }
}

/** Mounts and processes of an enclosure vanish a moment after its end, and hold what they use until then. */
export async function removeTraces(name: string): Promise<void> {
  const patience = { deadlineMs: minuteMs, everyMs: 100 }
  const { directory, cgroup } = placeOf(name)
  thaw(join(cgroupRoot, 'freezer', cgroup))
  for (const controller of ['', ...readdirSync(cgroupRoot)]) {
    const group = join(cgroupRoot, controller, cgroup)
    if (!existsSync(group)) continue
    await until(`${group} to be empty`, () => removeCgroup(group).then(() => true), patience)
  }
  const removal = () => rm(directory, { recursive: true, force: true })
  await until(`${directory} to be removable`, () => removal().then(() => true), patience)
}

/** What was frozen in a hierarchy of the first version cannot even be killed. */
function thaw(group: string): void {
  if (!existsSync(group)) return
  writeFileSync(join(group, 'freezer.state'), 'THAWED')
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) thaw(join(group, entry.name))
  }
}

async function removeCgroup(group: string): Promise<void> {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(group, entry.name))
  }
  await rmdir(group)
}
