import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatRequirements, requirements } from './doctor.ts'

test('doctor says of every requirement whether it is met, and what to do when it is not', async () => {
  const list = await requirements({ stateDir: '/var/lib/hummingbird', runtimeDir: '/run/hummingbird' })
  for (const name of [
    'root',
    'memory',
    '/dev/net/tun',
    'nftables with NAT',
    'package qemu-system-x86',
    'guest: kernel',
  ]) {
    assert.ok(
      list.some((requirement) => requirement.name === name),
      `nothing is said of ${name}`,
    )
  }
  for (const { name, status, remedy } of list) assert.equal(remedy === '', status === 'ok', name)
})

test('doctor shows the remedy under what is missing, and counts it', () => {
  const text = formatRequirements([
    { name: 'tun', status: 'missing', found: 'no such file', remedy: 'modprobe tun' },
    { name: 'memory', status: 'ok', found: '24 GiB', remedy: '' },
  ])
  assert.match(text, /missing.*tun.*no such file\n.*→ modprobe tun/)
  assert.match(text, /1 of what is required is missing/)
})
