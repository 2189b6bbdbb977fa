import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../lib/errors.ts'
import { guestFrame } from '../support/fake-guest.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { type Frame, FrameDecoder } from './frames.ts'
import { frameToHostBytesMax } from './limits.ts'
import { types } from './protocol.ts'

const frame = fc.record({
  type: fc.integer({ min: 1, max: 7 }),
  id: fc.integer({ min: 0, max: 0xffffffff }),
  flags: fc.integer({ min: 0, max: 255 }),
  payload: fc.uint8Array({ maxLength: 200 }),
})
const encoded = (frames: readonly { type: number; id: number; flags: number; payload: Uint8Array }[]) =>
  Buffer.concat(frames.map(({ type, id, payload, flags }) => guestFrame(type, id, payload, flags)))

function decode(decoder: FrameDecoder, bytes: Buffer, cuts: readonly number[]): Frame[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return at.slice(1).flatMap((end, i) =>
    [...decoder.push(bytes.subarray(at[i], end))].map((one) => ({
      ...one,
      payload: Buffer.from(one.payload),
    })),
  )
}

test('frames come out as they went in, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat()), (frames, cuts) => {
      const got = decode(new FrameDecoder({ searching: false }), encoded(frames), cuts)
      assert.deepEqual(
        got,
        frames.map((one) => ({ ...one, payload: Buffer.from(one.payload) })),
      )
    }),
  )
})

test('what an earlier daemon left is skipped until a frame begins', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), frame, fc.array(fc.nat()), (garbage, one, cuts) => {
      const got = decode(
        new FrameDecoder({ searching: true }),
        Buffer.concat([garbage, encoded([one])]),
        cuts,
      )
      // Garbage that happens to be a frame's beginning may swallow what follows it.
      if (got.length > 0) assert.deepEqual(got.at(-1), { ...one, payload: Buffer.from(one.payload) })
      else assert.ok(garbage.length >= 20)
    }),
  )
})

test('any bytes at all are frames or an error, and are never kept beyond one frame', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 500 })), fc.boolean(), (chunks, searching) => {
      const decoder = new FrameDecoder({ searching })
      try {
        for (const chunk of chunks)
          for (const one of decoder.push(Buffer.from(chunk)))
            assert.ok(one.payload.length <= frameToHostBytesMax)
      } catch (error) {
        assert.ok(hasCode(error, 'bad_guest'), String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('one flipped bit of a header is an error', () => {
  const whole = guestFrame(types.data, 7, Buffer.from('payload'))
  for (let bit = 0; bit < 20 * 8; bit++) {
    const broken = Buffer.from(whole)
    broken[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(
      () => [...new FrameDecoder({ searching: false }).push(broken)],
      (error) => hasCode(error, 'bad_guest'),
      `bit ${bit}`,
    )
  }
})

test('a frame that claims more than a frame may hold is refused before its bytes are waited for', () => {
  const head = guestFrame(types.data, 1, new Uint8Array(frameToHostBytesMax + 1)).subarray(0, 20)
  assert.throws(
    () => [...new FrameDecoder({ searching: false }).push(head)],
    (error) => hasCode(error, 'bad_guest'),
  )
})

test('fields come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.string({ unit: 'binary' }),
      (small, large, text) => {
        const bytes = new FieldWriter()
          .u32(1, small)
          .u64(2, large)
          .text(3, text)
          .nested(4, (inside) => inside.text(3, text))
          .toBuffer()
        const reader = new FieldReader(bytes)
        assert.equal(reader.u32(1), small)
        assert.equal(reader.u64(2), large)
        assert.equal(reader.text(3), text)
        assert.equal(reader.nested(4)[0]?.text(3), text)
        assert.equal(reader.u32(9), 0)
      },
    ),
  )
})

test('any bytes are fields or an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        const reader = new FieldReader(Buffer.from(bytes))
        for (let tag = 0; tag < 8; tag++)
          [reader.u32(tag), reader.offset(tag), reader.text(tag), reader.nested(tag)]
      } catch (error) {
        assert.ok(hasCode(error, 'bad_guest'), String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})
