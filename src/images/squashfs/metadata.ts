/**
 * Metadata: a stream cut into blocks of 8 KiB, each behind two bytes that tell its size and, here always, that it is not
 * compressed. A place in it is the block's offset in the file and the offset in the block.
 */
import type { Output } from './output.ts'

const metadataBlockBytes = 8192
const uncompressed = 0x8000

export class MetadataStream {
  readonly #blocks: Buffer[] = []
  #block = Buffer.alloc(metadataBlockBytes)
  #fill = 0

  get place(): { block: number; offset: number } {
    return { block: this.#blocks.length * (metadataBlockBytes + 2), offset: this.#fill }
  }

  write(data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      const take = data.copy(this.#block, this.#fill, at)
      at += take
      this.#fill += take
      if (this.#fill === metadataBlockBytes) {
        this.#blocks.push(this.#block)
        this.#block = Buffer.alloc(metadataBlockBytes)
        this.#fill = 0
      }
    }
  }

  /** Answers where each block went. */
  flush(output: Output): number[] {
    const blocks = this.#fill > 0 ? [...this.#blocks, this.#block.subarray(0, this.#fill)] : this.#blocks
    const header = Buffer.alloc(2)
    return blocks.map((block) => {
      const at = output.position
      header.writeUInt16LE(block.length | uncompressed)
      output.write(header)
      output.write(block)
      return at
    })
  }
}

/** A table of fixed entries: metadata blocks, then the list of where they are. Answers where the list is. */
export function writeTable(output: Output, entries: Buffer): number {
  const stream = new MetadataStream()
  stream.write(entries)
  const places = stream.flush(output)
  const at = output.position
  output.write(encodePlaces(places))
  return at
}

export function encodePlaces(places: readonly number[]): Buffer {
  const list = Buffer.alloc(places.length * 8)
  for (const [i, place] of places.entries()) list.writeBigUInt64LE(BigInt(place), i * 8)
  return list
}
