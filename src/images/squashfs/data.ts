/**
 * The contents of files: blocks of 128 KiB, stored as they are, blocks of zeros not at all. Small files share blocks
 * ("fragments"); larger ones do not, so that a page of one is read without its neighbours.
 */
import { KiB } from '../../lib/units.ts'
import type { Output } from './output.ts'

export const dataBlockBytes = 128 * KiB
/** Set in the stated size of a block that is not compressed. */
const uncompressed = 1 << 24
/** Reading one byte of a fragment reads all of it; an own block costs a request. Measured guess: a few pages. */
const fragmentFileBytesMax = 16 * KiB

const zeros = Buffer.alloc(dataBlockBytes)

export class FileContent {
  readonly size: number
  /** Of its first block in the file system. */
  readonly start: number
  /** -1: it has blocks of its own. */
  readonly fragment: number
  readonly fragmentOffset: number
  readonly #zeroBlocks: readonly number[] | null

  constructor(size: number, start: number, zeroBlocks: readonly number[] | null, fragment = -1, offset = 0) {
    this.size = size
    this.start = start
    this.#zeroBlocks = zeroBlocks
    this.fragment = fragment
    this.fragmentOffset = offset
  }

  get sparseBytes(): number {
    let bytes = 0
    for (const i of this.#zeroBlocks ?? []) bytes += Math.min(dataBlockBytes, this.size - i * dataBlockBytes)
    return bytes
  }

  /** As the inode lists them. */
  blockSizes(): Uint32Array {
    if (this.fragment >= 0) return new Uint32Array(0)
    const sizes = new Uint32Array(Math.ceil(this.size / dataBlockBytes)).fill(dataBlockBytes | uncompressed)
    const tail = this.size % dataBlockBytes
    if (tail > 0) sizes[sizes.length - 1] = tail | uncompressed
    for (const i of this.#zeroBlocks ?? []) sizes[i] = 0
    return sizes
  }
}

export class DataWriter {
  readonly #output: Output
  readonly #block = Buffer.alloc(dataBlockBytes)
  #fill = 0
  #size = 0
  #start = 0
  #zeroBlocks: number[] | null = null
  readonly #fragment = Buffer.alloc(dataBlockBytes)
  #fragmentFill = 0
  /** For the table of fragments. */
  readonly fragments: { start: number; size: number }[] = []

  constructor(output: Output) {
    this.#output = output
  }

  begin(): void {
    this.#fill = 0
    this.#size = 0
    this.#start = this.#output.position
    this.#zeroBlocks = null
  }

  data(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const take = chunk.copy(this.#block, this.#fill, at)
      this.#advance(take)
      at += take
    }
  }

  hole(bytes: number): void {
    while (bytes > 0) {
      if (this.#fill === 0 && bytes >= dataBlockBytes) {
        this.#noteZeroBlock()
        this.#size += dataBlockBytes
        bytes -= dataBlockBytes
        continue
      }
      const take = Math.min(bytes, dataBlockBytes - this.#fill)
      this.#block.fill(0, this.#fill, this.#fill + take)
      this.#advance(take)
      bytes -= take
    }
  }

  end(): FileContent {
    if (this.#size > 0 && this.#size <= fragmentFileBytesMax) return this.#endInFragment()
    if (this.#fill > 0) this.#endBlock()
    return new FileContent(this.#size, this.#start, this.#zeroBlocks)
  }

  /** After the last file. */
  finish(): void {
    this.#flushFragment()
  }

  #advance(bytes: number): void {
    this.#fill += bytes
    this.#size += bytes
    if (this.#fill === dataBlockBytes) this.#endBlock()
  }

  #endBlock(): void {
    const block = this.#block.subarray(0, this.#fill)
    if (block.equals(zeros.subarray(0, this.#fill))) {
      this.#size -= this.#fill
      this.#noteZeroBlock()
      this.#size += this.#fill
    } else this.#output.write(block)
    this.#fill = 0
  }

  /** The block that begins at the present size. */
  #noteZeroBlock(): void {
    this.#zeroBlocks ??= []
    this.#zeroBlocks.push(this.#size / dataBlockBytes)
  }

  #endInFragment(): FileContent {
    if (this.#fragmentFill + this.#fill > dataBlockBytes) this.#flushFragment()
    const offset = this.#fragmentFill
    this.#block.copy(this.#fragment, offset, 0, this.#fill)
    this.#fragmentFill += this.#fill
    return new FileContent(this.#size, 0, null, this.fragments.length, offset)
  }

  #flushFragment(): void {
    if (this.#fragmentFill === 0) return
    this.fragments.push({ start: this.#output.position, size: this.#fragmentFill | uncompressed })
    this.#output.write(this.#fragment.subarray(0, this.#fragmentFill))
    this.#fragmentFill = 0
  }
}
