/** Mount options of a tmpfs: Docker's defaults with the user's over them. */
import { invalid } from '../../lib/errors.ts'

/** Each takes the place of the other. */
const opposites: Readonly<Record<string, string>> = {
  rw: 'ro',
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  async: 'sync',
  atime: 'noatime',
  diratime: 'nodiratime',
  norelatime: 'relatime',
  nostrictatime: 'strictatime',
}
const flags = new Map(
  Object.entries(opposites).flatMap(([on, off]) => [[on, on] as const, [off, on] as const]),
)
const data: Readonly<Record<string, RegExp>> = {
  size: /^\d+[kmgKMG%]?$/,
  mode: /^[0-7]{1,5}$/,
  uid: /^\d{1,10}$/,
  gid: /^\d{1,10}$/,
  nr_inodes: /^\d+[kmgKMG]?$/,
  nr_blocks: /^\d+[kmgKMG]?$/,
}

const defaults = ['rw', 'noexec', 'nosuid', 'nodev']

/** Throws kind `invalid`, code `bad_tmpfs_option`, naming the option. */
export function tmpfsOptions(path: string, asked: string): string {
  if (!path.startsWith('/') || path === '/') {
    throw invalid('bad_tmpfs', `invalid tmpfs path ${path}: it must be absolute and not the root`)
  }
  const merged = new Map<string, string>()
  for (const option of [...defaults, ...asked.split(',').filter(Boolean)]) {
    const [name, value] = option.split('=', 2) as [string, string?]
    const flag = value === undefined ? flags.get(name) : undefined
    if (flag) merged.set(flag, name)
    else if (value !== undefined && Object.hasOwn(data, name) && data[name]!.test(value))
      merged.set(name, option)
    else throw invalid('bad_tmpfs_option', `invalid tmpfs option "${option}" for ${path}`)
  }
  return [...merged.values()].join(',')
}
