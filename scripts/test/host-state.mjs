// @ts-check
/** What tests may leave on a host: processes, parts of networks, mounts, loop devices, control groups and files. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** By kind, each thing by a name that a person can look for. @typedef {Map<string, Set<string>>} HostState */

/** @param {string} path */
function entries(path) {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** @param {string} path */
function text(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** @param {string} path */
function link(path) {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/**
 * The processes that are marked: the text is in their command line or environment, or they have files whose paths hold it.
 * QEMU may have neither name nor environment left, but it has its files.
 * @param {string} mark
 * @returns {{ pid: number, command: string }[]}
 */
export function processesOf(mark) {
  const found = []
  for (const entry of entries('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid || pid === process.ppid) continue
    const command = text(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
    // A kernel thread, or one that has ended.
    if (command === '') continue
    const told = `${command} ${text(`/proc/${pid}/environ`)} ${link(`/proc/${pid}/cwd`)} ${link(`/proc/${pid}/root`)}`
    const files = () => entries(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`))
    if (told.includes(mark) || files().some((file) => file.includes(mark))) found.push({ pid, command })
  }
  return found
}

/** @param {string} directory @param {number} depth @returns {string[]} */
function directories(directory, depth) {
  let found
  try {
    found = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  } catch {
    return []
  }
  const paths = found.map((entry) => join(directory, entry.name))
  return depth === 0 ? paths : [...paths, ...paths.flatMap((path) => directories(path, depth - 1))]
}

function tables() {
  const { stdout } = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' })
  return (stdout ?? '').split('\n').filter(Boolean)
}

const mounts = () =>
  text('/proc/self/mountinfo')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' ')[4] ?? '')

const loops = () =>
  entries('/sys/block')
    .filter((name) => name.startsWith('loop') && existsSync(`/sys/block/${name}/loop/backing_file`))
    .map((name) => `${name} of ${text(`/sys/block/${name}/loop/backing_file`).trim()}`)

/** @param {string} directory @param {RegExp} [pattern] */
const files = (directory, pattern = /./) =>
  entries(directory)
    .filter((name) => pattern.test(name))
    .map((name) => join(directory, name))

/**
 * Of the daemon that a user of this host may start and stop meanwhile: it has the default names, and those of tests have
 * others, as their processes show.
 */
const usersDaemon =
  /^hb-[0-9a-f]{8}$|^hb[0-9a-f]{8}u$| hb_networks$|\/netns\/hb-[0-9a-f]{8}$|\/hummingbird(-hb)?(\/|$)/

/** Where `ip netns` and skopeo keep what they have, made when they first run on a host and never removed. */
const placesOfTools = /^\/run\/netns$|^\/var\/lib\/containers$/

/** @param {string} runId @returns {HostState} */
export function hostState(runId) {
  return new Map(
    Object.entries({
      process: processesOf(runId).map(({ pid, command }) => `${pid}: ${command.slice(0, 160)}`),
      'network namespace': entries('/run/netns'),
      'network interface': entries('/sys/class/net'),
      nftables: tables(),
      mount: mounts(),
      'loop device': loops(),
      'control group': directories('/sys/fs/cgroup', 3),
      file: [
        ...files('/run'),
        ...files('/dev/shm'),
        ...files('/var/lib'),
        ...files('/tmp', /^(hb-|hummingbird)/),
      ],
    }).map(([kind, names]) => [
      kind,
      new Set(
        kind === 'process'
          ? names
          : names.filter((name) => !usersDaemon.test(name) && !placesOfTools.test(name)),
      ),
    ]),
  )
}

/** What is there now and was not. @param {HostState} before @param {HostState} after */
export function differences(before, after) {
  return [...after].flatMap(([kind, names]) =>
    [...names].filter((name) => !before.get(kind)?.has(name)).map((name) => `${kind} ${name}`),
  )
}
