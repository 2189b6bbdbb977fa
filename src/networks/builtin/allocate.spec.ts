import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { contains, overlaps, parseSubnet, type Subnet, sizeOf } from '../ipv4.ts'
import { chooseSubnet, chooseTransit, chooseTransitPort, isUsable, nextAddress } from './allocate.ts'

const base = parseSubnet('10.0.0.0/8')!.base
const subnet = fc.integer({ min: 24, max: 29 }).map((prefix): Subnet => ({ base, prefix }))

test('every usable address is given once before any is refused, and never the first, the last or the gateway', () => {
  fc.assert(
    fc.property(subnet, fc.nat(), (net, from) => {
      const gateway = net.base + 1
      const given = new Set<number>()
      let last = net.base + (from % sizeOf(net))
      for (;;) {
        const address = nextAddress(net, gateway, (candidate) => given.has(candidate), last)
        if (address === undefined) break
        assert.ok(isUsable(net, gateway, address) && !given.has(address))
        given.add(address)
        last = address
      }
      assert.equal(given.size, sizeOf(net) - 3)
    }),
  )
})

test('an address given back rests until all others had their turn', () => {
  fc.assert(
    fc.property(subnet, fc.nat(), (net, from) => {
      const gateway = net.base + 1
      const order: number[] = []
      let last = net.base + (from % sizeOf(net))
      for (let n = 0; n < sizeOf(net) - 3; n++) {
        last = nextAddress(net, gateway, () => false, last)!
        order.push(last)
      }
      assert.equal(new Set(order).size, order.length)
    }),
  )
})

test('a subnet is the one asked for unless the host has a route into it, and never overlaps a route', () => {
  const wanted = parseSubnet('172.30.0.0/16')!
  assert.deepEqual(chooseSubnet(wanted, []), wanted)
  const routes = fc.array(
    fc.constantFrom(
      '172.16.0.0/12',
      '172.30.4.0/24',
      '10.0.0.0/9',
      '10.128.0.0/10',
      '192.168.0.0/16',
      '172.30.0.9/32',
    ),
  )
  fc.assert(
    fc.property(routes, (texts) => {
      const taken = texts.map((text) => parseSubnet(text)!)
      const chosen = chooseSubnet(wanted, taken)
      assert.ok(chosen && !taken.some((route) => overlaps(route, chosen)))
    }),
  )
  assert.equal(chooseSubnet(wanted, [parseSubnet('0.0.0.0/1')!, parseSubnet('128.0.0.0/1')!]), undefined)
})

test('links are taken from the range until it is full, wherever the search begins', () => {
  const range = parseSubnet('198.18.0.0/26')!
  fc.assert(
    fc.property(fc.nat(), (start) => {
      const taken: Subnet[] = []
      for (let n = 0; n < sizeOf(range) / 4; n++) {
        const transit = chooseTransit(range, taken, start)
        assert.ok(transit && contains(range, transit.base) && transit.base % 4 === 0)
        assert.ok(!taken.some((other) => overlaps(other, transit)))
        taken.push(transit)
      }
      assert.equal(chooseTransit(range, taken, start), undefined)
    }),
  )
})

test('a published port enters the namespace under its own number where that is free', () => {
  assert.equal(
    chooseTransitPort(80, () => false),
    80,
  )
  assert.equal(
    chooseTransitPort(80, (port) => port === 80),
    65_535,
  )
  assert.equal(
    chooseTransitPort(80, () => true),
    undefined,
  )
})
