import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from './database.ts'
import { createNetworkRecords } from './networks.ts'

const network = {
  id: 'n1',
  project: 'default',
  name: 'bridge',
  subnet4: '10.0.0.0/24',
  gateway4: '10.0.0.1',
  transit4: '198.18.0.0/30',
  createdAtMs: 1_000,
  settings: {
    ...{
      internal: true,
      attachable: false,
      labels: { a: 'b' },
      options: {},
      auxAddresses: { x: '10.0.0.9' },
    },
    ...{ ipRange4: '', hasOwnSubnet: true, mtu: 1400 },
  },
}
const naming = {
  container: 'c1',
  name: 'web',
  names: ['web', 'www'],
  links: { db: 'c2' },
  nameservers: [],
  asks4: '',
}
const port = (id: string, ipv4: string, ...hostPorts: number[]) => ({
  id,
  network: 'n1',
  mac: '02:42:0a:00:00:02',
  ipv4,
  tap: null,
  naming: null,
  published: hostPorts.map((hostPort) => ({
    protocol: 'tcp' as const,
    hostAddress: '',
    hostPort,
    containerPort: 80,
    transitPort: hostPort,
  })),
})

async function withRecords(body: (records: ReturnType<typeof createNetworkRecords>) => Promise<void>) {
  const database = await openDatabase(':memory:')
  try {
    await body(createNetworkRecords(database))
  } finally {
    await database.destroy()
  }
}

test('what was stored is loaded, published ports in their order', () =>
  withRecords(async (records) => {
    assert.deepEqual(await records.load(), { networks: [], ports: [] })
    await records.addNetwork(network)
    await records.addPort(port('p1', '10.0.0.2', 90, 80), '10.0.0.2')
    await records.addPort(port('p2', '10.0.0.9'), '10.0.0.2')
    await records.setTap('p1', 't0')
    await records.setNaming('p1', naming)
    await records.setPublished('p2', port('p2', '10.0.0.9', 81).published)
    const { networks, ports } = await records.load()
    assert.deepEqual(networks, [{ ...network, lastIpv4: '10.0.0.2' }])
    assert.deepEqual(
      ports.toSorted((a, b) => a.id.localeCompare(b.id)),
      [{ ...port('p1', '10.0.0.2', 90, 80), tap: 't0', naming }, port('p2', '10.0.0.9', 81)],
    )
  }))

test('an address or a host port cannot be stored twice, and a port is stored whole or not at all', () =>
  withRecords(async (records) => {
    await records.addNetwork(network)
    await records.addPort(port('p1', '10.0.0.2', 80), '10.0.0.2')
    await assert.rejects(records.addPort(port('p2', '10.0.0.2'), '10.0.0.2'))
    await assert.rejects(records.addPort(port('p2', '10.0.0.3', 81, 80), '10.0.0.3'))
    const { networks, ports } = await records.load()
    assert.deepEqual([networks[0]?.lastIpv4, ports.length], ['10.0.0.2', 1])
  }))

test('removing many ports, some of them unknown, gives back what they had; a network takes its ports along', () =>
  withRecords(async (records) => {
    await records.addNetwork(network)
    await records.addPort(port('p1', '10.0.0.2', 80), '10.0.0.2')
    await records.removePorts(['p1', ...Array.from({ length: 1200 }, (_, n) => `unknown${n}`)])
    await records.addPort(port('p2', '10.0.0.2', 80), '10.0.0.2')
    await records.removeNetwork('n1')
    await records.removeNetwork('n1')
    assert.deepEqual(await records.load(), { networks: [], ports: [] })
  }))
