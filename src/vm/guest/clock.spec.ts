import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeGuest } from '../support/fake-guest.ts'
import { clockAheadNs } from './clock.ts'
import { FieldWriter } from './fields.ts'
import { ops, tags } from './protocol.ts'

const ms = 1_000_000n
const seconds = 1_000n * ms

test("how far a guest's clock is behind or ahead is found to within a few milliseconds", async () => {
  for (const off of [-3_600n * seconds, 0n, 5n * ms, 90n * seconds]) {
    await using open = await FakeGuest.open((guest) => {
      guest.onRequest = (op) => {
        assert.equal(op, ops.ping)
        return new FieldWriter().u64(tags.realtimeNs, BigInt(Date.now()) * ms - off)
      }
    })
    const found = await clockAheadNs(open.channel)
    assert.ok(found - off < 10n * ms && off - found < 10n * ms, `${found} instead of ${off}`)
  }
})

test('an answer that was slow in coming says less than one that was quick', async () => {
  let asked = 0
  await using open = await FakeGuest.open((guest) => {
    guest.onRequest = () => {
      asked++
      const said = BigInt(Date.now()) * ms
      // As a guest that was asked, and then had to wait for its processor.
      for (const end = performance.now() + (asked < 3 ? 60 : 0); performance.now() < end; );
      return new FieldWriter().u64(tags.realtimeNs, said)
    }
  })
  const found = await clockAheadNs(open.channel)
  assert.ok(found < 10n * ms && found > -10n * ms, `${found}`)
})
