import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Uids } from './uids.ts'

test('every sandbox has a user of its own, until it is given back', () => {
  const uids = new Uids('whose')
  const first = uids.take()
  uids.reserve(first + 1)
  assert.equal(uids.take(), first + 2)
  uids.release(first)
  const taken = new Set(Array.from({ length: 65_534 }, () => uids.take()))
  assert.ok(taken.has(first))
  assert.throws(() => uids.take(), /all it has users for/)
})
