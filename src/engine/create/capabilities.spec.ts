import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allCapabilities } from '../../lib/capabilities.ts'
import { capabilitiesOf } from './capabilities.ts'

const of = (capAdd: string[], capDrop: string[], privileged = false) =>
  capabilitiesOf({ privileged, capAdd, capDrop })

test("a container has Docker's fourteen capabilities when it asks for nothing", () => {
  assert.equal(of([], []).length, 14)
  assert.ok(of([], []).includes('CAP_NET_BIND_SERVICE'))
  assert.ok(!of([], []).includes('CAP_SYS_ADMIN'))
})

test('capabilities are added and dropped by name, with or without CAP_', () => {
  assert.ok(of(['net_admin'], []).includes('CAP_NET_ADMIN'))
  assert.ok(!of([], ['CAP_NET_RAW']).includes('CAP_NET_RAW'))
  assert.deepEqual(of(['NET_RAW'], ['ALL']), ['CAP_NET_RAW'])
  assert.deepEqual(
    of(['ALL'], ['SYS_ADMIN']),
    allCapabilities.filter((name) => name !== 'CAP_SYS_ADMIN'),
  )
  assert.equal(new Set(of(['CHOWN'], [])).size, of(['CHOWN'], []).length)
})

test('a privileged container has all of them', () => {
  assert.equal(of([], ['ALL'], true).length, 41)
})

test("an unknown capability is refused in dockerd's words", () => {
  assert.throws(() => of(['FOO'], []), { message: 'invalid CapAdd: unknown capability: "CAP_FOO"' })
  assert.throws(() => of([], ['cap_bar'], true), {
    message: 'invalid CapDrop: unknown capability: "CAP_BAR"',
  })
})
