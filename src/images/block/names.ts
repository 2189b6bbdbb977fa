/** Names in a layer, cleaned: what may lead out of the image's own root is refused, never repaired. */

import { badTar } from '../../lib/tar/header.ts'
import { nameBytesMax, pathBytesMax } from '../limits.ts'

const printable = (name: string) => JSON.stringify(Buffer.from(name, 'latin1').toString().slice(0, 200))

/**
 * Components from the root. Leading slashes, `.` and doubled slashes mean nothing; `..` is refused even where it would
 * stay inside, because no tool writes it.
 */
export function components(name: string): string[] {
  if (name.includes('\0')) throw badTar(`the name ${printable(name)} has a NUL in it`)
  if (name.length > pathBytesMax)
    throw badTar(`a name has ${name.length} bytes; at most ${pathBytesMax} can be used`)
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  for (const part of parts) {
    if (part === '..') throw badTar(`the name ${printable(name)} leads out of the image`)
    if (part.length > nameBytesMax)
      throw badTar(`the name ${printable(name)} has a part of more than ${nameBytesMax} bytes`)
  }
  return parts
}

/** What a name says of lower layers: `.wh.x` takes x away, `.wh..wh..opq` all that is in the directory. */
export type Whiteout =
  | { kind: 'none' }
  | { kind: 'opaque' }
  | { kind: 'remove'; name: string }
  | { kind: 'ignore' }

const prefix = '.wh.'

export function whiteout(path: readonly string[]): Whiteout {
  const last = path.at(-1) ?? ''
  if (last === '.wh..wh..opq') return { kind: 'opaque' }
  // AUFS kept its own notes under such names.
  if (path.some((part) => part.startsWith('.wh..wh.'))) return { kind: 'ignore' }
  if (!last.startsWith(prefix)) return { kind: 'none' }
  const name = last.slice(prefix.length)
  if (name === '' || name === '.' || name === '..')
    throw badTar(`the whiteout ${printable(last)} names nothing`)
  return { kind: 'remove', name }
}
