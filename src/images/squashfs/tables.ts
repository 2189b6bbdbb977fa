/** What inodes name by number: users and groups, and sets of extended attributes. */
import { invalid } from '../../lib/errors.ts'
import { noXattrs } from './inode.ts'
import { encodePlaces, MetadataStream } from './metadata.ts'
import type { Output } from './output.ts'

const idsMax = 65_535

export class IdTable {
  readonly #indexes = new Map<number, number>()

  readonly index = (id: number): number => {
    const known = this.#indexes.get(id)
    if (known !== undefined) return known
    if (this.#indexes.size >= idsMax) {
      throw invalid('image_too_large', `the image has files of more than ${idsMax} users and groups`)
    }
    this.#indexes.set(id, this.#indexes.size)
    return this.#indexes.size - 1
  }

  get count(): number {
    return this.#indexes.size
  }

  encode(): Buffer {
    const table = Buffer.alloc(this.#indexes.size * 4)
    for (const [id, index] of this.#indexes) table.writeUInt32LE(id, index * 4)
    return table
  }
}

const prefixes = ['user.', 'trusted.', 'security.']
/** The guest's overlay reads these of its lower layer: an image must not speak to it. */
const overlays = ['trusted.overlay.', 'user.overlay.']

/** Squashfs has room for these name spaces only; others cannot be kept. */
export const keepsXattr = (name: string): boolean =>
  prefixes.some((prefix) => name.startsWith(prefix) && name.length > prefix.length) &&
  !overlays.some((prefix) => name.startsWith(prefix))

export class XattrTable {
  readonly #pairs = new MetadataStream()
  readonly #sets: Buffer[] = []
  readonly #known = new Map<string, number>()
  /** Held in memory. */
  bytes = 0

  /** The number of a set; the same set has the same number. */
  intern(xattrs: ReadonlyMap<string, Buffer>): number {
    const kept = [...xattrs].filter(([name]) => keepsXattr(name)).sort(([a], [b]) => (a < b ? -1 : 1))
    if (kept.length === 0) return noXattrs
    const pairs = Buffer.concat(kept.map(([name, value]) => encodePair(name, value)))
    const key = pairs.toString('latin1')
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const { block, offset } = this.#pairs.place
    const set = Buffer.alloc(16)
    set.writeBigUInt64LE((BigInt(block) << 16n) | BigInt(offset), 0)
    set.writeUInt32LE(kept.length, 8)
    set.writeUInt32LE(
      kept.reduce((sum, [name, value]) => sum + name.length + 1 + value.length, 0),
      12,
    )
    this.#pairs.write(pairs)
    this.bytes += pairs.length * 2
    this.#known.set(key, this.#sets.length)
    return this.#sets.push(set) - 1
  }

  /** Answers where the table begins, or null when no file has attributes. */
  write(output: Output): number | null {
    if (this.#sets.length === 0) return null
    const pairsStart = output.position
    this.#pairs.flush(output)
    const stream = new MetadataStream()
    stream.write(Buffer.concat(this.#sets))
    const places = stream.flush(output)
    const header = Buffer.alloc(16)
    header.writeBigUInt64LE(BigInt(pairsStart), 0)
    header.writeUInt32LE(this.#sets.length, 8)
    const at = output.position
    output.write(header)
    output.write(encodePlaces(places))
    return at
  }
}

function encodePair(name: string, value: Buffer): Buffer {
  const prefix = prefixes.findIndex((candidate) => name.startsWith(candidate))
  const rest = Buffer.from(name.slice(prefixes[prefix]!.length), 'latin1')
  const pair = Buffer.alloc(4 + rest.length + 4 + value.length)
  pair.writeUInt16LE(prefix, 0)
  pair.writeUInt16LE(rest.length, 2)
  rest.copy(pair, 4)
  pair.writeUInt32LE(value.length, 4 + rest.length)
  value.copy(pair, 8 + rest.length)
  return pair
}
