import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { type HostPort, HostPorts, probeHost } from './host-ports.ts'

const tcp = (hostPort: number, hostAddress = ''): HostPort => ({ protocol: 'tcp', hostAddress, hostPort })
const range = { from: 100, to: 102 }

test('two containers have the same number only for different protocols or on different addresses', () => {
  const port = fc.record({
    protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
    hostAddress: fc.constantFrom('', '127.0.0.1', '192.0.2.2'),
    hostPort: fc.constantFrom(80, 81),
  })
  const step = fc.record({ release: fc.boolean(), port })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ports = new HostPorts(range)
      let taken: HostPort[] = []
      const same = (a: HostPort, b: HostPort) => a.protocol === b.protocol && a.hostPort === b.hostPort
      for (const { release, port } of steps) {
        const mine = taken.find((other) => same(other, port) && other.hostAddress === port.hostAddress)
        if (release) {
          if (mine) ports.release(port)
          taken = taken.filter((other) => other !== mine)
          continue
        }
        const clash = taken.some(
          (other) =>
            same(other, port) &&
            (other.hostAddress === port.hostAddress || !other.hostAddress || !port.hostAddress),
        )
        assert.equal(ports.reserve(port), !clash)
        if (!clash) taken.push(port)
      }
    }),
  )
})

test('a port nobody named goes round the range, past what the host has in use', async () => {
  const ports = new HostPorts(range, async ({ hostPort }) => (hostPort === 101 ? 'in use' : 'free'))
  assert.deepEqual(await ports.take(tcp(0)), tcp(100))
  ports.release(tcp(100))
  assert.deepEqual(await ports.take(tcp(0)), tcp(102))
  assert.deepEqual(await ports.take(tcp(0)), tcp(100))
  assert.equal(await ports.take(tcp(0)), 'in use')
  assert.deepEqual(await ports.take(tcp(0, '127.0.0.1')), 'in use')
})

test('of a range the first free port is taken, and none when it is used up', async () => {
  const ports = new HostPorts(range, async ({ hostPort }) => (hostPort === 80 ? 'in use' : 'free'))
  const wanted = { ...tcp(80), hostPortLast: 82 }
  assert.deepEqual(await ports.take(wanted), tcp(81))
  assert.deepEqual(await ports.take(wanted), tcp(82))
  assert.equal(await ports.take(wanted), 'in use')
  ports.release(tcp(81))
  assert.deepEqual(await ports.take(wanted), tcp(81))
  const elsewhere = new HostPorts(range, async () => 'no such address')
  assert.equal(await elsewhere.take(wanted), 'no such address')
})

test('of two who ask for a port at the same time, one gets it; one that the host refuses is free again', async () => {
  let answer: 'free' | 'in use' = 'free'
  const ports = new HostPorts(range, async () => answer)
  assert.deepEqual(await Promise.all([ports.take(tcp(80)), ports.take(tcp(80))]), [tcp(80), 'in use'])
  answer = 'in use'
  assert.equal(await ports.take(tcp(81)), 'in use')
  answer = 'free'
  assert.deepEqual(await ports.take(tcp(81)), tcp(81))
})

test('a port that a process of the host listens on is in use, and an address of another host is none', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await Promise.all([once(server, 'listening'), once(socket, 'listening')])
  try {
    const { port } = server.address() as { port: number }
    assert.equal(await probeHost(tcp(port)), 'in use')
    assert.equal(await probeHost(tcp(port, '127.0.0.1')), 'in use')
    assert.equal(await probeHost(tcp(port, '127.0.0.2')), 'free')
    assert.equal(
      await probeHost({ protocol: 'udp', hostAddress: '', hostPort: socket.address().port }),
      'in use',
    )
    assert.equal(await probeHost(tcp(80, '203.0.113.9')), 'no such address')
  } finally {
    server.close()
    socket.close()
  }
})
