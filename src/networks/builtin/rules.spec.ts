import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { run } from '../../lib/spawn.ts'
import { formatAddress } from '../ipv4.ts'
import type { PortRecord } from '../ports/records.ts'
import { nft } from './commands.ts'
import { hostTable, publishElements, unpublishElements } from './host-rules.ts'
import { namespaceTables, plugElements, unplugElements } from './namespace-rules.ts'
import { needsRoot } from './support/lab.ts'

const number = fc.integer({ min: 1, max: 65_535 })
const port: fc.Arbitrary<PortRecord> = fc.record({
  id: fc.constant('a'.repeat(64)),
  network: fc.constant('b'.repeat(64)),
  mac: fc.constant('02:42:0a:00:00:02'),
  ipv4: fc.integer({ min: 1, max: 2 ** 31 }).map(formatAddress),
  naming: fc.constant(null),
  tap: fc.option(fc.constant('t0123abcd')),
  published: fc.array(
    fc.record({
      protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
      hostAddress: fc.oneof(fc.constant(''), fc.constant('192.0.2.2')),
      hostPort: number,
      containerPort: number,
      transitPort: number,
    }),
    { maxLength: 4 },
  ),
})

test('a port without a card has no rule at all', () => {
  fc.assert(
    fc.property(port, (record) => {
      const unplugged = { ...record, tap: null }
      assert.equal(plugElements(unplugged) + unplugElements(unplugged), '')
      assert.equal(publishElements('t', '198.18.0.2', unplugged), '')
    }),
  )
})

test('taking a port away names exactly what plugging it added', () => {
  const only = (script: string, verb: string) => script.split('\n').filter((line) => line.startsWith(verb))
  fc.assert(
    fc.property(port, (record) => {
      for (const [plug, unplug] of [
        [plugElements(record), unplugElements(record)],
        [publishElements('t', '198.18.0.2', record), unpublishElements('t', '198.18.0.2', record)],
      ] as const) {
        assert.deepEqual(only(plug, 'add'), only(unplug, 'add'))
        assert.deepEqual(
          only(unplug, 'delete').map((line) => line.replace('delete', 'add')),
          only(plug, 'add'),
        )
      }
    }),
  )
})

test("a tenant's addresses do not show in the rules of the host", () => {
  fc.assert(
    fc.property(port, (some) => {
      const record = { ...some, ipv4: '10.77.11.33', mac: '02:42:0a:4d:0b:21' }
      const script = hostTable('t', '/var/lib/x', [
        { uplink: 'hb0u', transitInside: '198.18.0.2', ports: [record] },
      ])
      assert.doesNotMatch(script, /10\.77|02:42|t0123abcd/)
    }),
  )
})

test('nft takes every script, twice, in a namespace of its own', needsRoot, async () => {
  const namespace = `qrules${process.pid}`
  await run('ip', ['netns', 'add', namespace])
  try {
    const published = (hostPort: number, hostAddress: string) => ({
      protocol: 'udp' as const,
      hostAddress,
      hostPort,
      containerPort: 53,
      transitPort: hostPort,
    })
    const record = {
      id: 'a',
      network: 'b',
      mac: '02:42:0a:00:00:02',
      ipv4: '10.0.0.2',
      tap: 't0123abcd',
      naming: {
        ...{ container: 'c', name: 'web', names: ['web'], links: {}, nameservers: [] },
        asks4: '10.9.0.1',
      },
      published: [published(53, ''), published(54, '127.0.0.1')],
    }
    const state = {
      gateway4: '10.0.0.1',
      transitHost: '198.18.0.1',
      transitInside: '198.18.0.2',
      internal: false,
      hasNames: false,
      ports: [record],
    }
    const host = { uplink: 'hb0123abcdu', transitInside: '198.18.0.2', ports: [record] }
    for (const script of [
      namespaceTables(state),
      namespaceTables({ ...state, hasNames: true }),
      namespaceTables({ ...state, hasNames: true, internal: true }),
      hostTable('t', '/a "b" {', [host]),
      plugElements(record) + publishElements('t', host.transitInside, record),
      unplugElements(record) + unpublishElements('t', host.transitInside, record),
    ]) {
      await nft(script, `/run/netns/${namespace}`)
      await nft(script, `/run/netns/${namespace}`)
    }
    const { stdout } = await run('nsenter', [`--net=/run/netns/${namespace}`, 'nft', 'list', 'ruleset'])
    assert.doesNotMatch(stdout, /elements = \{[^}]*t0123abcd/)
  } finally {
    await run('ip', ['netns', 'del', namespace])
  }
})
