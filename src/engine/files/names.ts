/** Paths as clients give them and names as tars hold them, one character a byte, made into paths of a container. */
import { posix } from 'node:path'
import { invalid } from '../../lib/errors.ts'
import { bytesOfName, nameOfBytes } from '../../lib/file-names.ts'

/** Linux gives no longer one to any process. */
const pathBytesMax = 4096

export interface AskedPath {
  /** As the client gave it. */
  readonly given: string
  /** Absolute and clean. */
  readonly path: string
  /** It ended in `/` or `/.`: a directory is meant, and a symbolic link is followed. */
  readonly entered: boolean
  /** What the tar of it calls it: its last part, `.` when that was asked for, `/` for the root. */
  readonly base: string
}

/** By Go's rules, so that clients get the names that they look for. */
export function askedPath(given: string): AskedPath {
  if (given === '') throw invalid('bad_path', 'bad parameter: path cannot be empty')
  if (given.includes('\0')) throw invalid('bad_path', 'bad parameter: path has a NUL in it')
  const path = posix.resolve('/', given)
  if (Buffer.byteLength(path) >= pathBytesMax) throw invalid('bad_path', `${clip(path)}: file name too long`)
  const dotted = /(^|\/)\.\/*$/.test(given)
  const base = dotted ? '.' : path === '/' ? '/' : posix.basename(path)
  return { given, path, entered: dotted || given.endsWith('/'), base }
}

/** Of absolute, clean paths: the same counts. */
export const isWithin = (inner: string, outer: string): boolean =>
  `${inner}/`.startsWith(outer === '/' ? '/' : `${outer}/`)

/** What an entry of the tree is called in the tar: its root by the last part of the path that was asked for. */
export function rebased(base: string): (path: string) => string {
  const root = base === '/' ? '' : base
  return (path) => (path === '' ? root : `${root}/${path}`)
}

/** Bytes, one character each. */
export const tarName = (name: string): string => bytesOfName(name).toString('latin1')
export const fileName = (name: string): string => nameOfBytes(Buffer.from(name, 'latin1'))

/** A name of a tar as a path below `directory`; rejects what leads out of it, in dockerd's words. */
export function relativePath(name: string, directory: string): string {
  const path = inside(name)
  if (path === undefined) {
    throw invalid('breakout', `${shown(name)} is outside of ${JSON.stringify(clip(directory))}`)
  }
  return path
}

/** The other name of a hard link, by the same rules. */
export function linkedPath(target: string, directory: string): string {
  const path = inside(target)
  if (path === undefined || path === '') {
    const joined = JSON.stringify(clip(posix.join(directory, fileName(target))))
    throw invalid('breakout', `invalid hardlink ${joined} -> ${shown(target)}`)
  }
  return path
}

/** undefined: it leads out. */
function inside(name: string): string | undefined {
  if (name.includes('\0')) throw invalid('bad_archive', `the name ${shown(name)} has a NUL in it`)
  if (name.length >= pathBytesMax) throw invalid('bad_archive', `the name ${shown(name)} is too long`)
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined
    if (part !== '' && part !== '.' && part !== '..') parts.push(part)
  }
  return fileName(parts.join('/'))
}

const shown = (name: string): string => JSON.stringify(clip(fileName(name)))
const clip = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text)
