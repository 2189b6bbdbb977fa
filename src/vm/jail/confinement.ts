/**
 * The confinement of a running QEMU, read back from the kernel and held against what jail.ts and cgroups.ts promise: for
 * `hb doctor --sandbox`, and for the test that every field of it is in force.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tapGid } from '../../lib/host-ids.ts'
import { viewPaths } from './view.ts'

export interface Confined {
  readonly field: string
  readonly found: string
  readonly holds: boolean
}

/** The mounts of the view that may be written to; each is further bounded by the file system's own permissions. */
const writableMounts: readonly string[] = [viewPaths.sockets, viewPaths.disks, '/proc']
const rootOfCgroups = '/sys/fs/cgroup'

/** Of the process of a sandbox, whose user this is; `groups`: further ones that it may have, as that of /dev/kvm. */
export function confinementOf(pid: number, uid: number, groups: readonly number[] = []): Confined[] {
  const status = statusOf(pid)
  const ids = status('Uid').split(/\s+/)
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => `${name} ${status(name)}`)
  const allowed = [tapGid, ...groups].map(String)
  const hisGroups = status('Groups').split(/\s+/).filter(Boolean)
  const writable = mountsOf(pid).filter(({ options }) => options.includes('rw'))
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
  return [
    field('user', status('Uid'), uid > 0 && ids.every((id) => Number(id) === uid)),
    field(
      'group',
      status('Gid'),
      status('Gid')
        .split(/\s+/)
        .every((id) => Number(id) === uid),
    ),
    field(
      'further groups',
      hisGroups.join(' '),
      hisGroups.every((group) => allowed.includes(group)),
    ),
    field(
      'capabilities',
      sets.join(', '),
      sets.every((set) => / 0+$/.test(set)),
    ),
    field('no new privileges', status('NoNewPrivs'), status('NoNewPrivs') === '1'),
    field(
      'seccomp',
      `mode ${status('Seccomp')}, ${status('Seccomp_filters')} filters`,
      status('Seccomp') === '2',
    ),
    ...['mnt', 'net'].map((kind) => namespaceOf(pid, kind)),
    field(
      'writable mounts',
      [...new Set(writable.map(({ at }) => at))].join(' '),
      writable.every(({ at }) => writableMounts.includes(at)),
    ),
    field(
      'root',
      readlinkSync(`/proc/${pid}/root`),
      mountsOf(pid).some(({ at, type }) => at === '/' && type === 'tmpfs'),
    ),
    field(
      'environment',
      environment === '' ? 'empty' : environment.replaceAll('\0', ' '),
      environment === '',
    ),
    ...limitsOf(pid),
    ...cgroupsOf(pid),
  ]
}

/** The process that belongs to the sandbox whose directory this is. */
export function processOf(directory: string): { pid: number; uid: number } | undefined {
  const { uid } = statSync(directory)
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    try {
      if (Number.isInteger(pid) && statSync(`/proc/${name}`).uid === uid) return { pid, uid }
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined
}

const field = (name: string, found: string, holds: boolean): Confined => ({ field: name, found, holds })

function statusOf(pid: number): (name: string) => string {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n')
  const values = new Map(
    lines.map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trim()]),
  )
  return (name) => values.get(name) ?? ''
}

function namespaceOf(pid: number, kind: string): Confined {
  const found = readlinkSync(`/proc/${pid}/ns/${kind}`)
  return field(`${kind} namespace`, found, found !== readlinkSync(`/proc/self/ns/${kind}`))
}

function mountsOf(pid: number): { at: string; options: string[]; type: string }[] {
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [, , , , at = '', options = ''] = line.split(' ')
      return { at, options: options.split(','), type: / - (\S+)/.exec(line)?.[1] ?? '' }
    })
}

function limitsOf(pid: number): Confined[] {
  const text = readFileSync(`/proc/${pid}/limits`, 'utf8')
  return ['Max core file size', 'Max open files', 'Max file size'].map((name) => {
    const hard = new RegExp(`^${name}\\s+\\S+\\s+(\\S+)`, 'm').exec(text)?.[1] ?? 'unknown'
    return field(name.toLowerCase().replace('max', 'most'), hard, hard !== 'unlimited' && hard !== 'unknown')
  })
}

/** Version 1: `4:memory:/path`; version 2: `0::/path`. */
function cgroupsOf(pid: number): Confined[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')
  const [unified] = lines.filter((line) => line.startsWith('0::')).map((line) => line.slice(3))
  const has = (controller: string) =>
    lines.find((line) => line.split(':')[1]?.split(',').includes(controller))
  const bounds: readonly (readonly [controller: string, version1: string, version2: string])[] = [
    ['cpu', 'cpu.cfs_quota_us', 'cpu.max'],
    ['memory', 'memory.limit_in_bytes', 'memory.max'],
    ['pids', 'pids.max', 'pids.max'],
  ]
  return bounds.map(([controller, version1, version2]) => {
    const own = has(controller)?.split(':')[2]
    const file =
      own === undefined
        ? join(rootOfCgroups, unified ?? '', version2)
        : join(rootOfCgroups, controller, own, version1)
    const found = readFileSync(file, 'utf8').trim()
    const bounded = found !== '-1' && !found.startsWith('max') && Number.parseInt(found, 10) < 2 ** 60
    return field(`cgroup: ${controller}`, `${found} (${file})`, bounded)
  })
}
