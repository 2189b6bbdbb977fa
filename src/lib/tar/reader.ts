/**
 * Reads a tar as it comes, in chunks of any size, and tells a sink of each entry and its bytes. Nothing is kept but one
 * header; nothing is written. What follows the first block of zeros is not looked at.
 *
 *     header ──> (long name | PAX)* ──> entry ──> data, holes ──> end of entry ──> header …
 */

import { badTar, blockBytes, decodeHeader, idNumber, isZeroBlock, type RawHeader } from './header.ts'
import { extendedHeaderBytesMax, sparseSegmentsMax, xattrBytesMax } from './limits.ts'
import { decodePax, type PaxRecord, paxInteger, paxTime } from './pax.ts'
import {
  checkLayout,
  FileData,
  MapInData,
  oldSparse,
  oldSparseRealSize,
  type PaxSparse,
  paxSparse,
  type Segment,
} from './sparse.ts'

export interface TarEntry {
  /** One character a byte, as all names here; not yet cleaned. */
  readonly name: string
  readonly type: 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Of a file, with its holes; 0 for all else. */
  readonly size: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly linkName: string
  readonly deviceMajor: number
  readonly deviceMinor: number
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** Where its data begin in the stream. */
  readonly dataOffset: number
}

export interface TarSink {
  entry(entry: TarEntry): void
  /** Bytes of the entry told last; the buffer is the reader's again when this returns. */
  data(chunk: Buffer): void
  /** That many zeros. */
  hole(bytes: number): void
  endEntry(): void
}

type Stage = 'header' | 'extension' | 'sparse-map' | 'data' | 'ended'

const none: ReadonlyMap<string, Buffer> = new Map()

export class TarReader {
  readonly #sink: TarSink
  #stage: Stage = 'header'
  /** Bytes of the stream consumed. */
  #offset = 0
  /** A block that came in pieces. */
  #block = Buffer.alloc(blockBytes)
  #blockFill = 0
  /** Bytes of data (or of an extended header) still to come, and of its padding. */
  #remaining = 0
  #padding = 0
  #extended: { type: RawHeader['type']; chunks: Buffer[] } | null = null
  #longName: string | null = null
  #longLink: string | null = null
  #pax: PaxRecord[] = []
  #header: RawHeader | null = null
  #sparse: PaxSparse | null = null
  #map: MapInData | null = null
  /** Of the entry being read. */
  #segments: Segment[] = []
  #realSize = 0
  #data: FileData | null = null

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#stage === 'ended') {
        this.#offset += chunk.length - at
        return
      }
      const rest = chunk.length - at
      if (this.#remaining > 0) {
        const take = Math.min(this.#remaining, rest)
        this.#take(chunk.subarray(at, at + take))
        at += take
      } else if (this.#padding > 0) {
        const take = Math.min(this.#padding, rest)
        this.#padding -= take
        this.#offset += take
        at += take
      } else at += this.#fillBlock(chunk, at)
    }
  }

  /** The stream is over: throws when something is missing. */
  end(): void {
    const between =
      this.#stage === 'header' && this.#blockFill === 0 && this.#remaining === 0 && !this.#pending()
    if (this.#stage !== 'ended' && !between) throw badTar('unexpected EOF')
  }

  #pending(): boolean {
    return this.#pax.length > 0 || this.#longName !== null || this.#longLink !== null
  }

  #fillBlock(chunk: Buffer, at: number): number {
    const rest = chunk.length - at
    if (this.#blockFill === 0 && rest >= blockBytes) {
      this.#offset += blockBytes
      this.#onBlock(chunk.subarray(at, at + blockBytes))
      return blockBytes
    }
    const take = Math.min(blockBytes - this.#blockFill, rest)
    chunk.copy(this.#block, this.#blockFill, at, at + take)
    this.#blockFill += take
    this.#offset += take
    if (this.#blockFill === blockBytes) {
      this.#blockFill = 0
      this.#onBlock(this.#block)
    }
    return take
  }

  #onBlock(block: Buffer): void {
    if (this.#stage === 'extension') this.#onExtension(block)
    else if (this.#stage === 'sparse-map') this.#onSparseMap(block)
    else if (isZeroBlock(block)) {
      if (this.#pending()) throw badTar('unexpected EOF')
      this.#stage = 'ended'
    } else this.#onHeader(block)
  }

  #onHeader(block: Buffer): void {
    const header = decodeHeader(block)
    if (['pax', 'pax-global', 'long-name', 'long-link'].includes(header.type)) this.#beginExtended(header)
    else this.#beginEntry(header, block)
  }

  #beginExtended(header: RawHeader): void {
    if (header.size > extendedHeaderBytesMax) throw badTar('an extended header is too large')
    this.#extended = { type: header.type, chunks: [] }
    this.#remaining = header.size
    this.#padding = padding(header.size)
    if (header.size === 0) this.#endExtended()
  }

  #endExtended(): void {
    const { type, chunks } = this.#extended!
    this.#extended = null
    const data = Buffer.concat(chunks)
    // As Docker: global records are not applied.
    if (type === 'pax') this.#pax = decodePax(data)
    else if (type === 'long-name') this.#longName = cString(data)
    else if (type === 'long-link') this.#longLink = cString(data)
  }

  #beginEntry(raw: RawHeader, block: Buffer): void {
    const header = this.#applyExtensions(raw)
    this.#header = header
    this.#segments = []
    if (raw.type === 'sparse') {
      this.#realSize = oldSparseRealSize(block)
      const { segments, more } = oldSparse(block, 'header')
      this.#segments = segments
      if (more) this.#stage = 'extension'
      else this.#tell()
      return
    }
    const sparse = header.type === 'file' ? this.#sparse : null
    this.#realSize = sparse?.realSize ?? header.size
    if (sparse?.segments === 'in-data') {
      this.#map = new MapInData()
      this.#stage = 'sparse-map'
      return
    }
    this.#segments = sparse?.segments ?? (header.size === 0 ? [] : [{ offset: 0, bytes: header.size }])
    this.#tell()
  }

  #onExtension(block: Buffer): void {
    const { segments, more } = oldSparse(block, 'extension')
    this.#segments.push(...segments)
    if (this.#segments.length > sparseSegmentsMax) throw badTar('invalid sparse file')
    if (!more) this.#tell()
  }

  #onSparseMap(block: Buffer): void {
    const map = this.#map!
    const { done, segments } = map.push(block)
    if (map.bytes > this.#header!.size) throw badTar('invalid sparse file')
    if (!done) return
    this.#map = null
    this.#header!.size -= map.bytes
    this.#segments = segments
    this.#tell()
  }

  /** What long names and PAX say comes before what the header says. */
  #applyExtensions(header: RawHeader): RawHeader {
    if (this.#longName !== null) header.name = this.#longName
    if (this.#longLink !== null) header.linkName = this.#longLink
    const setters: Record<string, (record: PaxRecord) => void> = {
      path: ({ value }) => {
        header.name = value.toString('latin1')
      },
      linkpath: ({ value }) => {
        header.linkName = value.toString('latin1')
      },
      size: (record) => {
        header.size = paxInteger(record)
      },
      uid: (record) => {
        header.uid = idNumber(paxInteger(record), 'uid')
      },
      gid: (record) => {
        header.gid = idNumber(paxInteger(record), 'gid')
      },
      mtime: (record) => {
        header.mtime = paxTime(record)
      },
    }
    for (const record of this.#pax) {
      // An empty value takes a record back.
      if (record.value.length > 0 && Object.hasOwn(setters, record.key)) setters[record.key]!(record)
    }
    this.#sparse = this.#pax.length > 0 ? paxSparse(this.#pax) : null
    const sparseName = this.#pax.findLast((record) => record.key === 'GNU.sparse.name')
    if (sparseName) header.name = sparseName.value.toString('latin1')
    this.#longName = null
    this.#longLink = null
    return header
  }

  #tell(): void {
    const header = this.#header!
    const isFile = header.type === 'file' || header.type === 'sparse'
    // As Docker's reader: of all but files, the size says nothing and no data follow. A dump of a directory has some.
    const dataBytes = isFile || header.type === 'directory' ? header.size : 0
    const layout = { segments: this.#segments, realSize: this.#realSize }
    if (isFile) checkLayout(layout, dataBytes)
    this.#sink.entry({
      ...header,
      type: header.type === 'sparse' ? 'file' : (header.type as TarEntry['type']),
      size: isFile ? this.#realSize : 0,
      xattrs: this.#xattrs(),
      dataOffset: this.#offset,
    })
    this.#pax = []
    this.#stage = 'data'
    this.#data = isFile ? new FileData(layout, this.#sink) : null
    this.#remaining = dataBytes
    this.#padding = padding(dataBytes)
    if (dataBytes === 0) this.#endData()
  }

  #xattrs(): ReadonlyMap<string, Buffer> {
    if (this.#pax.length === 0) return none
    const prefix = 'SCHILY.xattr.'
    const xattrs = new Map<string, Buffer>()
    for (const { key, value } of this.#pax) {
      if (!key.startsWith(prefix)) continue
      if (value.length > xattrBytesMax)
        throw badTar(`the extended attribute ${key.slice(prefix.length)} is too large`)
      xattrs.set(key.slice(prefix.length), Buffer.from(value))
    }
    return xattrs
  }

  #take(piece: Buffer): void {
    this.#offset += piece.length
    this.#remaining -= piece.length
    if (this.#extended) {
      this.#extended.chunks.push(Buffer.from(piece))
      if (this.#remaining === 0) this.#endExtended()
      return
    }
    this.#data?.push(piece)
    if (this.#remaining === 0) this.#endData()
  }

  #endData(): void {
    this.#data?.end()
    this.#sink.endEntry()
    this.#stage = 'header'
  }
}

const padding = (bytes: number): number => (blockBytes - (bytes % blockBytes)) % blockBytes

function cString(data: Buffer): string {
  const end = data.indexOf(0)
  return data.toString('latin1', 0, end < 0 ? data.length : end)
}
