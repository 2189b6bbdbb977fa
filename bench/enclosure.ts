/**
 * Where the bench runs: in network, mount and process namespaces of its own. Both daemons get a loopback, rules and
 * bridges nobody else sees, an empty /run and /dev/shm, and when the first process of the enclosure ends, the kernel
 * ends every other and takes down their mounts and links. What is left then is what lies on the host's disk and in its
 * cgroups: both are removed here, after success, failure and Ctrl-C alike.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../src/lib/deadline.ts'
import { minuteMs } from '../src/lib/units.ts'
import { imagesDirectory } from '../test/support/images/images.ts'

const placeVariable = 'HUMMINGBIRD_BENCH_PLACE'
const diskRoot = '/var/tmp'
const cgroupRoot = '/sys/fs/cgroup'
/** With the pid of the bench: of a directory on the disk, and of the cgroup for dockerd's containers. */
const namePrefix = 'hummingbird-bench-'

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

export function enclosed(): boolean {
  return process.env[placeVariable] !== undefined
}

/** Directory on the disk for everything of the run, and the name of the cgroup for dockerd's containers. */
export function place(): { readonly directory: string; readonly cgroup: string } {
  const name = process.env[placeVariable]!
  return { directory: join(diskRoot, name), cgroup: name }
}

/** Runs the bench again inside. Answers the exit status. */
export async function runEnclosed(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error('bench: needs root, as both daemons do; run it with sudo')
    return 1
  }
  // Made of Debian's packages if they are not there yet; the enclosure has no way to a mirror.
  await imagesDirectory()
  await removeTracesOfKilled()
  const name = `${namePrefix}${process.pid}`
  mkdirSync(join(diskRoot, name), { mode: 0o711 })
  const inside = [
    ...namespaces,
    'bash',
    '-c',
    firstProcess,
    'bench',
    process.execPath,
    ...process.argv.slice(1),
  ]
  // It dies with unshare, and unshare with us, even when we are killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...inside], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [placeVariable]: name },
    // A Ctrl-C must reach us alone, not every process of the enclosure.
    detached: true,
  })
  let interrupted = false
  const interrupt = () => {
    interrupted = true
    child.kill('SIGKILL')
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => resolve(code ?? 1))
    })
    if (interrupted) console.error('bench: interrupted; cleaning up')
    return interrupted ? 130 : status
  } finally {
    await removeTraces(name)
  }
}

/** A bench that was killed outright took its enclosure along, but not what is removed here. */
async function removeTracesOfKilled(): Promise<void> {
  for (const name of readdirSync(diskRoot).filter((entry) => entry.startsWith(namePrefix))) {
    if (!existsSync(`/proc/${name.slice(namePrefix.length)}`)) await removeTraces(name)
  }
}

/** Mounts and processes of the enclosure vanish a moment after its end, and hold what they use until then. */
async function removeTraces(name: string): Promise<void> {
  const patience = { deadlineMs: minuteMs, everyMs: 100 }
  for (const controller of ['', ...readdirSync(cgroupRoot)]) {
    const group = join(cgroupRoot, controller, name)
    if (!existsSync(group)) continue
    await until(`${group} to be empty`, () => removeCgroup(group).then(() => true), patience)
  }
  const directory = join(diskRoot, name)
  const removal = () => rm(directory, { recursive: true, force: true })
  await until(`${directory} to be removable`, () => removal().then(() => true), patience)
}

async function removeCgroup(group: string): Promise<void> {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(group, entry.name))
  }
  await rmdir(group)
}
