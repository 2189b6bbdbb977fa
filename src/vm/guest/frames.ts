/**
 * Frames, as drawn in protocol.ts. The only place where a guest's bytes are taken apart; it is hostile: lengths are
 * checked before anything waits for bytes, and what is kept is bounded by one frame and one read.
 */
import { crc32 } from 'node:zlib'
import { internal } from '../../lib/errors.ts'
import { frameToHostBytesMax } from './limits.ts'
import { frameHeaderBytes, frameMagic, types } from './protocol.ts'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

/** Host to guest: the checksum is over header and payload, so that a frame torn by a dying daemon is known as such. */
export function encodeFrame(type: number, id: number, payload: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length)
  frame.writeUInt32LE(frameMagic, 0)
  frame.writeUInt8(type, 4)
  frame.writeUInt8(flags, 5)
  frame.writeUInt16LE(0, 6)
  frame.writeUInt32LE(id, 8)
  frame.writeUInt32LE(payload.length, 12)
  frame.set(payload, frameHeaderBytes)
  frame.writeUInt32LE(crc32(payload, crc32(frame.subarray(0, 16))), 16)
  return frame
}

const lastType = types.event

export class FrameDecoder {
  #kept: Buffer = Buffer.alloc(0)
  #searching: boolean

  /** `searching`: what another daemon left in the channel is skipped until something looks like a frame. */
  constructor(options: { searching: boolean }) {
    this.#searching = options.searching
  }

  /** From now on every byte has to be part of a frame. */
  synchronized(): void {
    this.#searching = false
  }

  /** The frames that are whole with this chunk. Throws code `bad_guest`. */
  *push(chunk: Buffer): Generator<Frame> {
    let data = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk])
    // While the caller holds a frame, an exception of its must not make us see bytes twice.
    this.#kept = Buffer.alloc(0)
    for (;;) {
      const start = this.#searching ? nextMagic(data) : 0
      data = data.subarray(start)
      if (data.length < frameHeaderBytes) break
      if (!headerFits(data)) {
        if (!this.#searching)
          throw internal(
            'bad_guest',
            `the guest sent ${data.subarray(0, 20).toString('hex')} where a frame is due`,
          )
        data = data.subarray(1)
        continue
      }
      const end = frameHeaderBytes + data.readUInt32LE(12)
      if (data.length < end) break
      const frame = {
        type: data.readUInt8(4),
        flags: data.readUInt8(5),
        id: data.readUInt32LE(8),
        payload: data.subarray(frameHeaderBytes, end),
      }
      data = data.subarray(end)
      yield frame
    }
    this.#kept = data
  }
}

function nextMagic(data: Buffer): number {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(frameMagic)
  const found = data.indexOf(magic)
  // Its first bytes may be the last of this chunk.
  return found >= 0 ? found : Math.max(0, data.length - 3)
}

function headerFits(data: Buffer): boolean {
  const type = data.readUInt8(4)
  return (
    data.readUInt32LE(0) === frameMagic &&
    type >= types.hello &&
    type <= lastType &&
    data.readUInt16LE(6) === 0 &&
    data.readUInt32LE(12) <= frameToHostBytesMax &&
    crc32(data.subarray(0, 16)) === data.readUInt32LE(16)
  )
}
