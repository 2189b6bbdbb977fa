/** Networks that users make: who reaches whom, who is called what, and coming and going while a container runs. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { freePort } from '../../src/images/support/registry.ts'
import { until } from '../../src/lib/deadline.ts'
import { run } from '../../src/lib/spawn.ts'
import { startCloud } from '../support/cloud.ts'
import { type Container, patience } from '../support/docker.ts'
import { Internet } from '../support/internet.ts'

const { docker, daemon } = await startCloud({ images: ['busybox'] })

/** Made here, and removed when the scope ends. */
async function network(name: string, ...options: string[]): Promise<AsyncDisposable> {
  await docker.ok(['network', 'create', ...options, name])
  return {
    [Symbol.asyncDispose]: async () => {
      await docker.ok(['network', 'rm', name])
    },
  }
}

/** Answers its name by HTTP on port 80. */
const serve = (name: string) => `mkdir /www; echo ${name} > /www/index.html; exec httpd -f -p 80 -h /www`
const server = (name: string, ...options: string[]) =>
  docker.container('--name', name, ...options, 'busybox', 'sh', '-c', serve(name))
const addressIn = (container: Container, name: string) =>
  container.inspect(`{{(index .NetworkSettings.Networks "${name}").IPAddress}}`)
const hears = async (from: Container, address: string, port = 80) =>
  (
    await docker.run(['exec', from.id, 'timeout', '5', 'wget', '-qO-', `http://${address}:${port}/`])
  ).stdout.trim()
const greeting = async (from: Container, { address }: Internet) =>
  (await docker.run(['exec', from.id, 'nc', '-w', '3', address, '7000'])).stdout.trim()
const pings = async (from: Container, address: string) =>
  (await docker.run(['exec', from.id, 'ping', '-c', '1', '-W', '2', address])).code === 0
const lookUp = async (from: Container, name: string) => {
  const { stdout } = await docker.run(['exec', from.id, 'nslookup', '-type=a', name])
  return [
    ...stdout
      .split('answer:')
      .slice(1)
      .join()
      .matchAll(/Address(?: \d)?: ([\d.]+)/g),
  ].map(([, found]) => found)
}
const answers = (from: Container, address: string, what: string, port?: number) =>
  until(`${address} to answer ${what}`, async () => (await hears(from, address, port)) === what, patience)

test('who reaches whom: a table, cell by cell, by TCP and ICMP', async () => {
  await using internet = await Internet.open()
  await using _one = await network('one')
  await using _two = await network('two')
  await using _inner = await network('inner', '--internal')
  const port = await freePort()
  await using a = await server('a1', '--network', 'one')
  await using b = await server('b1', '--network', 'one', '-p', `${port}:80`)
  await using c = await server('c1', '--network', 'two')
  await using d = await server('d1', '--network', 'inner')
  await using e = await server('e1', '--network', 'inner')
  const at = {
    a1: await addressIn(a, 'one'),
    b1: await addressIn(b, 'one'),
    c1: await addressIn(c, 'two'),
    d1: await addressIn(d, 'inner'),
    e1: await addressIn(e, 'inner'),
  }
  // Everybody serves: what does not answer below is not allowed to.
  await answers(a, at.b1, 'b1')
  await answers(b, at.a1, 'a1')
  await answers(d, at.e1, 'e1')
  await answers(c, '127.0.0.1', 'c1')
  const reachable: [string, Container, Record<keyof typeof at, boolean>][] = [
    ['a1', a, { a1: true, b1: true, c1: false, d1: false, e1: false }],
    ['c1', c, { a1: false, b1: false, c1: true, d1: false, e1: false }],
    ['d1', d, { a1: false, b1: false, c1: false, d1: true, e1: true }],
  ]
  for (const [name, from, row] of reachable) {
    for (const [to, expected] of Object.entries(row) as [keyof typeof at, boolean][]) {
      const [heard, ponged] = await Promise.all([hears(from, at[to]), pings(from, at[to])])
      assert.deepEqual([heard, ponged], [expected ? to : '', expected], `from ${name} to ${to}`)
    }
  }
  // The way out, and the published port from every side: its own network (hairpin), another, the host, an internal one.
  assert.equal(await greeting(a, internet), `hello ${internet.hostEnd}`)
  assert.equal(await greeting(d, internet), '')
  for (const from of [a, b, c]) await answers(from, internet.hostEnd, 'b1', port)
  assert.equal(await hears(d, internet.hostEnd, port), '')
  const page = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) })
  assert.equal(await page.text(), 'b1\n')
})

test('a container that is connected while it runs learns whom to ask, and forgets it when it leaves', async () => {
  await using _late = await network('late')
  await using there = await server('late-one', '--network', 'late')
  await using mover = await docker.container('busybox', 'sleep', '600')
  const [hosts, resolver] = [
    await mover.exec('cat', '/etc/hosts'),
    await mover.exec('cat', '/etc/resolv.conf'),
  ]
  await docker.ok(['network', 'connect', 'late', mover.id])
  assert.deepEqual(await lookUp(mover, 'late-one'), [await addressIn(there, 'late')])
  assert.ok((await mover.exec('cat', '/etc/hosts')).includes(await addressIn(mover, 'late')))
  await docker.ok(['network', 'disconnect', 'late', mover.id])
  assert.equal(await mover.exec('cat', '/etc/hosts'), hosts)
  assert.equal(await mover.exec('cat', '/etc/resolv.conf'), resolver)
  await mover.exec('sh', '-c', 'echo nameserver 192.0.2.1 > /etc/resolv.conf')
  await docker.ok(['network', 'connect', 'late', mover.id])
  assert.equal(await mover.exec('cat', '/etc/resolv.conf'), 'nameserver 192.0.2.1')
})

test('names, aliases and addresses of a network resolve, in it alone', async () => {
  await using internet = await Internet.open()
  await using _one = await network('one')
  await using _two = await network('two')
  const asker = ['busybox', 'sleep', '1000']
  await using a = await docker.container(
    '--name',
    'a1',
    '--network',
    'one',
    '--dns',
    internet.address,
    ...asker,
  )
  await using b = await docker.container(
    '--name',
    'b1',
    '--network',
    'one',
    '--network-alias',
    'web',
    ...asker,
  )
  await using c = await docker.container(
    '--name',
    'c1',
    '--network',
    'one',
    '--network-alias',
    'web',
    ...asker,
  )
  await using d = await docker.container('--name', 'd1', '--network', 'two', ...asker)
  const [ofB, ofC] = [await addressIn(b, 'one'), await addressIn(c, 'one')]
  assert.deepEqual(await lookUp(a, 'b1'), [ofB])
  assert.deepEqual(await lookUp(a, c.id.slice(0, 12)), [ofC])
  assert.deepEqual(await lookUp(a, 'b1.one'), [ofB])
  assert.deepEqual(await lookUp(d, 'b1'), [])
  const turns = [await lookUp(a, 'web'), await lookUp(a, 'web')]
  for (const turn of turns) assert.deepEqual(new Set(turn), new Set([ofB, ofC]))
  assert.notDeepEqual(turns[0], turns[1])
  assert.match(await a.exec('nslookup', ofB), /name = b1\.one/)
  assert.deepEqual(await lookUp(a, 'there.example'), [internet.address])
  await docker.ok(['rename', 'b1', 'bb'])
  assert.deepEqual([await lookUp(a, 'bb'), await lookUp(a, 'b1')], [[ofB], []])
  await docker.ok(['stop', '-t', '0', 'c1'])
  assert.deepEqual(await lookUp(a, 'web'), [ofB])
})

test('a container is connected and disconnected while it runs, and nothing is left of it', async () => {
  await using _one = await network('one')
  await using _two = await network('two', '--subnet', '10.231.7.0/24')
  await using peer = await server('peer', '--network', 'two', '--ip', '10.231.7.9')
  await using moving = await docker.container('--network', 'one', 'busybox', 'sleep', '1000')
  const links = async () => {
    const found = await Promise.all(
      readdirSync('/run/netns')
        .filter((name) => name.startsWith(`${daemon.prefix}-`))
        .map((name) =>
          run('ip', ['-n', name, '-br', 'link']).then(({ stdout }) => stdout.match(/^t[0-9a-f]{8}/gm)),
        ),
    )
    return found.map((names) => names?.length ?? 0).toSorted()
  }
  await answers(peer, '127.0.0.1', 'peer')
  const before = await until(
    'clones to be ready',
    async () => (await links()).some(Boolean) && links(),
    patience,
  )
  for (let turn = 0; turn < 20; turn++) {
    await docker.ok(['network', 'connect', '--alias', 'guest', 'two', moving.id])
    if (turn % 5 === 0) {
      assert.equal(await hears(moving, '10.231.7.9'), 'peer')
      assert.deepEqual(await lookUp(peer, 'guest'), [await addressIn(moving, 'two')])
    }
    await docker.ok(['network', 'disconnect', 'two', moving.id])
  }
  assert.equal(await hears(moving, '10.231.7.9'), '')
  await until('as many cards as before', async () => String(await links()) === String(before), patience)
  // Its first network can go, too, and come back.
  await docker.ok(['network', 'disconnect', 'one', moving.id])
  assert.doesNotMatch(await moving.exec('ip', 'addr'), /eth0.*UP/)
  await docker.ok(['network', 'connect', 'two', moving.id])
  assert.equal(await hears(moving, '10.231.7.9'), 'peer')
  await docker.ok(['restart', '-t', '0', moving.id])
  assert.equal(await hears(moving, '10.231.7.9'), 'peer')
})

test('what cannot be is refused in Docker’s words', async () => {
  await using _one = await network('one')
  await using _two = await network('two', '--subnet', '10.231.8.0/24')
  await using there = await docker.container(
    '--name',
    'there',
    '--network',
    'one',
    'busybox',
    'sleep',
    '1000',
  )
  const refusals: [string[], RegExp][] = [
    [['create', 'one'], /network with name one already exists/],
    [['create', '--subnet', '10.231.8.0/25', 'x'], /Pool overlaps with other one on this address space/],
    [['create', '-d', 'macvlan', 'x'], /network driver "macvlan" is not supported/],
    [['create', '-d', 'nothing', 'x'], /plugin "nothing" not found/],
    [['create', 'bridge'], /operation is not permitted on predefined bridge network/],
    [['rm', 'one'], /error while removing network: network one id \w+ has active endpoints/],
    [['rm', 'bridge'], /bridge is a pre-defined network and cannot be removed/],
    [['rm', 'nowhere'], /network nowhere not found/],
    [['connect', 'one', there.id], /endpoint with name there already exists in network one/],
    [['connect', 'nowhere', there.id], /network nowhere not found/],
    [['connect', '--ip', '10.231.8.1', 'two', there.id], /Address already in use/],
    [['connect', '--ip', '10.9.9.9', 'two', there.id], /It does not belong to any of this network's subnets/],
    [['disconnect', 'two', there.id], /is not connected to network two/],
  ]
  for (const [args, message] of refusals) assert.match(await docker.fails(['network', ...args]), message)
  const fixed = ['run', '--rm', '--network', 'one', '--ip', '10.1.1.1', 'busybox', 'true']
  assert.match(
    await docker.fails(fixed, 125),
    /supported only when connecting to networks with user configured/,
  )
  await using isolated = await docker.container('--network', 'none', 'busybox', 'sleep', '1000')
  assert.match(await docker.fails(['network', 'connect', 'one', isolated.id]), /in private \(none\) mode/)
})

test('networks, what is in them and what was said of them outlive the daemon, and names never stop', async () => {
  await using _one = await network(
    'one',
    '--label',
    'of=test',
    '--subnet',
    '10.231.9.0/24',
    '--ip-range',
    '10.231.9.128/25',
  )
  await using a = await docker.container('--name', 'a1', '--network', 'one', 'busybox', 'sleep', '1000')
  const ask =
    'i=0; while [ $i -lt 100 ]; do nslookup -type=a a1 10.231.9.1 | grep -q 10.231.9.128 || echo lost; i=$((i+1)); done; echo asked'
  await using b = await docker.container('--network', 'one', 'busybox', 'sh', '-c', ask)
  await until(
    'questions to be asked',
    async () => (await b.inspect('{{.State.Running}}')) === 'true',
    patience,
  )
  await daemon.kill9()
  await daemon.launch()
  assert.equal(await b.says('asked'), 'asked\n')
  const [shown] = JSON.parse(await docker.ok(['network', 'inspect', 'one']))
  assert.deepEqual(shown.Labels, { of: 'test' })
  assert.equal(shown.Containers[a.id].IPv4Address, '10.231.9.128/24')
  await using c = await docker.container('--name', 'late', '--network', 'one', 'busybox', 'sleep', '1000')
  assert.deepEqual(await lookUp(a, 'late'), [await addressIn(c, 'one')])
  await docker.ok(['network', 'disconnect', 'one', a.id])
})

test('networks that nobody is in are pruned', async () => {
  await docker.ok(['network', 'create', 'idle'])
  await using _busy = await network('busy')
  await using _in = await docker.container('--network', 'busy', 'busybox', 'sleep', '1000')
  assert.match(await docker.ok(['network', 'prune', '--force']), /idle/)
  const names = (await docker.ok(['network', 'ls', '--format', '{{.Name}}'])).split('\n')
  assert.deepEqual(names.toSorted(), ['bridge', 'busy', 'none'])
})
