/** What is at a path of a container, as the header of `docker cp` tells it: base64 of JSON, the mode as Go has it. */
import type { ContainerPathStat } from '../../../engine/files/archive.ts'
import type { FileEntry } from '../../../engine/ports/files.ts'
import { bytesOfName } from '../../../lib/file-names.ts'

export const pathStatHeader = 'X-Docker-Container-Path-Stat'

/** Go's os.FileMode: the permissions, and a bit of its own for each of the other things that Unix packs into a mode. */
const goMode = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  character: 2 ** 21,
  sticky: 2 ** 20,
} as const

const kindBits: Readonly<Record<FileEntry['kind'], number>> = {
  file: 0,
  link: 0,
  directory: goMode.directory,
  symlink: goMode.symlink,
  character: goMode.device + goMode.character,
  block: goMode.device,
  fifo: goMode.fifo,
  socket: goMode.socket,
}

export function goFileMode({ kind, mode }: Pick<FileEntry, 'kind' | 'mode'>): number {
  const special =
    (mode & 0o4000 ? goMode.setuid : 0) +
    (mode & 0o2000 ? goMode.setgid : 0) +
    (mode & 0o1000 ? goMode.sticky : 0)
  return kindBits[kind] + special + (mode & 0o777)
}

/** What Linux says of the size of a directory that is no large one; nobody reads it. */
const directoryBytes = 4096

export function pathStatJson({ name, entry, linkTarget }: ContainerPathStat) {
  const { kind, size, target } = entry
  return {
    name,
    size: kind === 'directory' ? directoryBytes : kind === 'symlink' ? bytesOfName(target).length : size,
    mode: goFileMode(entry),
    mtime: goTime(entry.mtimeNs),
    linkTarget,
  }
}

export const encodedPathStat = (stat: ContainerPathStat): string =>
  Buffer.from(JSON.stringify(pathStatJson(stat))).toString('base64')

const nanosPerSecond = 1_000_000_000n
/** Years of four digits: the only ones that RFC 3339 has. */
const secondsMin = -62_135_596_800n
const secondsMax = 253_402_300_799n

/** RFC 3339 with nanoseconds, without zeros at the end. */
function goTime(nanos: bigint): string {
  const whole = nanos / nanosPerSecond - (nanos % nanosPerSecond < 0n ? 1n : 0n)
  const seconds = whole < secondsMin ? secondsMin : whole > secondsMax ? secondsMax : whole
  const fraction = String(nanos - whole * nanosPerSecond)
    .padStart(9, '0')
    .replace(/0+$/, '')
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return `${date}${fraction === '' ? '' : `.${fraction}`}Z`
}
