import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  contains,
  formatAddress,
  formatSubnet,
  macOf,
  overlaps,
  parseAddress,
  parseSubnet,
  sizeOf,
} from './ipv4.ts'

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const subnet = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([base, prefix]) => ({ base: base - (base % 2 ** (32 - prefix)), prefix }))

test('an address or subnet survives being written and read', () => {
  fc.assert(fc.property(address, (value) => assert.equal(parseAddress(formatAddress(value)), value)))
  fc.assert(fc.property(subnet, (value) => assert.deepEqual(parseSubnet(formatSubnet(value)), value)))
})

test('what is not an address in its usual form is not read', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '01.2.3.4',
    '1.2.3.4 ',
    '::1',
    '1.2.3.-4',
    '1e1.0.0.0',
  ]) {
    assert.equal(parseAddress(text), undefined, text)
  }
  for (const text of ['10.0.0.0/33', '10.0.0.1/8', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/+8']) {
    assert.equal(parseSubnet(text), undefined, text)
  }
})

test('two subnets overlap exactly when some address is in both', () => {
  fc.assert(
    fc.property(subnet, subnet, (a, b) => {
      const [first, last] = [Math.max(a.base, b.base), Math.min(a.base + sizeOf(a), b.base + sizeOf(b)) - 1]
      assert.equal(overlaps(a, b), first <= last)
      assert.equal(overlaps(a, b), overlaps(b, a))
      if (first <= last) assert.ok(contains(a, first) && contains(b, first))
    }),
  )
})

test('a card gets the address that Docker would give it', () => {
  assert.equal(macOf(parseAddress('172.17.0.2')!), '02:42:ac:11:00:02')
})
