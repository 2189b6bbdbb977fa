import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { until } from '../../lib/deadline.ts'
import { hasCode } from '../../lib/errors.ts'
import { tapGid } from '../../lib/host-ids.ts'
import { run } from '../../lib/spawn.ts'
import { ipBatch, nft } from './commands.ts'
import { hostTableOf } from './names.ts'
import { ask, hostOnInternet, internetAddress, Lab, needsRoot } from './support/lab.ts'

const published = (
  hostPort: number,
  containerPort: number,
  hostAddress = '',
  protocol: 'tcp' | 'udp' = 'tcp',
) => ({ protocol, containerPort, hostAddress, hostPort })

/** What no answer is, where none may come. */
const quiet = { waitMs: 700 }

test('a container reaches the internet under the address of the host', needsRoot, async () => {
  await using lab = await Lab.open()
  await lab.serve(await lab.internet(), 80, 'internet')
  const { netns } = await lab.container()
  assert.equal(await ask(internetAddress, 80, { from: netns }), `internet ${hostOnInternet}`)
  assert.equal(await ask(internetAddress, 80, { from: netns, protocol: 'udp' }), `internet ${hostOnInternet}`)
})

test('two projects may use the same addresses, and do not reach each other', needsRoot, async () => {
  await using lab = await Lab.open(['default', 'other'])
  assert.equal(lab.network('default').subnet4, lab.network('other').subnet4)
  await lab.serve(await lab.internet(), 80, 'internet')
  const mine = await lab.container([published(0, 80)])
  const neighbour = await lab.container()
  const theirs = await lab.container([], { project: 'other' })
  const theirOther = await lab.container([], { project: 'other' })
  assert.equal(mine.port.ipv4, theirs.port.ipv4)
  await lab.serve(mine.netns, 80, 'mine')
  const address = mine.port.ipv4.split('/')[0]!
  assert.equal(await ask(address, 80, { from: neighbour.netns }), `mine ${neighbour.port.ipv4.split('/')[0]}`)
  // Theirs has nothing on that port: the connection is refused by their own container, not by mine.
  assert.equal(await ask(address, 80, { from: theirOther.netns, ...quiet }), 'ECONNREFUSED')
  for (const { netns } of [mine, theirs]) {
    assert.equal(await ask(internetAddress, 80, { from: netns }), `internet ${hostOnInternet}`)
  }
})

test(
  'a published port answers on every address of the host, and from outside it tells who asked',
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    const internet = await lab.internet()
    const web = await lab.container([published(0, 80), published(0, 80, '', 'udp')])
    await lab.serve(web.netns, 80, 'web')
    for (const { protocol, hostPort, hostAddress } of web.port.published) {
      assert.equal(hostAddress, '0.0.0.0')
      assert.match(await ask('127.0.0.1', hostPort, { protocol }), /^web 198\.19\./)
      assert.equal(await ask(hostOnInternet, hostPort, { protocol }), `web ${hostOnInternet}`)
      assert.equal(
        await ask(hostOnInternet, hostPort, { protocol, from: internet }),
        `web ${internetAddress}`,
      )
    }
  },
)

test('a port published on 127.0.0.1 answers there and nowhere else', needsRoot, async () => {
  await using lab = await Lab.open()
  const internet = await lab.internet()
  const web = await lab.container([published(0, 80, '127.0.0.1')])
  const other = await lab.container()
  await lab.serve(web.netns, 80, 'web')
  const { hostPort } = web.port.published[0]!
  assert.match(await ask('127.0.0.1', hostPort), /^web /)
  const heard = await Promise.all([
    ask(hostOnInternet, hostPort, quiet),
    ask(hostOnInternet, hostPort, { from: internet, ...quiet }),
    ask(hostOnInternet, hostPort, { from: other.netns, ...quiet }),
  ])
  assert.deepEqual(heard, ['ECONNREFUSED', 'ECONNREFUSED', 'no answer'])
})

test(
  'one number may lead to different containers on different addresses of the host',
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    await lab.internet()
    const one = await lab.container([published(8099, 80, '127.0.0.1')])
    const two = await lab.container([published(8099, 81, hostOnInternet)])
    await lab.serve(one.netns, 80, 'one')
    await lab.serve(two.netns, 81, 'two')
    assert.match(await ask('127.0.0.1', 8099), /^one /)
    assert.match(await ask(hostOnInternet, 8099), /^two /)
  },
)

test(
  'sandboxes reach published ports of others, of other projects and their own, also by the gateway',
  needsRoot,
  async () => {
    await using lab = await Lab.open(['default', 'other'])
    await lab.internet()
    const web = await lab.container([published(0, 80), published(0, 80, '', 'udp')])
    const neighbour = await lab.container()
    const stranger = await lab.container([], { project: 'other' })
    await lab.serve(web.netns, 80, 'web')
    for (const { protocol, hostPort } of web.port.published) {
      for (const { netns } of [web, neighbour, stranger]) {
        const asked = [hostOnInternet, web.port.gateway4].map((address) =>
          ask(address, hostPort, { protocol, from: netns }),
        )
        for (const heard of await Promise.all(asked)) assert.match(heard, /^web /)
      }
    }
  },
)

test("sandboxes reach no service of the host, nor another network's link", needsRoot, async () => {
  await using lab = await Lab.open(['default', 'other'])
  await lab.internet()
  const { netns, port } = await lab.container()
  const server = createServer((socket) => socket.end('the host'))
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  try {
    const { port: number } = server.address() as { port: number }
    assert.equal(await ask(hostOnInternet, number), 'the host')
    const heard = await Promise.all([
      ask(hostOnInternet, number, { from: netns, ...quiet }),
      ask(port.gateway4, number, { from: netns, ...quiet }),
      ask('169.254.169.254', 80, { from: netns, ...quiet }),
    ])
    assert.deepEqual(heard, ['no answer', 'no answer', 'no answer'])
  } finally {
    server.close()
  }
  const theirs = await lab.container([published(0, 80)], { project: 'other' })
  await lab.serve(theirs.netns, 80, 'theirs')
  const link = await lab.transitInside('other')
  assert.equal(await ask(link, theirs.port.published[0]!.hostPort, { from: netns, ...quiet }), 'no answer')
})

test(
  'who routes to a network through the host does not get round where its ports are published',
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    const internet = await lab.internet()
    const web = await lab.container([published(0, 80, '127.0.0.1')])
    await lab.serve(web.netns, 80, 'web')
    const link = await lab.transitInside()
    await ipBatch([`route add default via ${hostOnInternet}`], internet)
    const { hostPort } = web.port.published[0]!
    assert.equal(await ask(link, hostPort, { from: internet, ...quiet }), 'no answer')
    assert.equal(await ask('127.0.0.1', hostPort, quiet).then((said) => said.split(' ')[0]), 'web')
  },
)

test(
  'nothing passes a card before a port is plugged into it, nor after the port is deleted',
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    const web = await lab.container([published(0, 80)], { plug: false })
    const other = await lab.container()
    await lab.serve(web.netns, 80, 'web')
    await lab.serve(other.netns, 80, 'other')
    const { hostPort } = web.port.published[0]!
    const address = (cidr: string) => cidr.split('/')[0]!
    const [fromHost, fromOther, out] = await Promise.all([
      ask('127.0.0.1', hostPort, quiet),
      ask(address(web.port.ipv4), 80, { from: other.netns, ...quiet }),
      ask(address(other.port.ipv4), 80, { from: web.netns, ...quiet }),
    ])
    assert.equal(fromHost, 'ECONNREFUSED')
    for (const heard of [fromOther, out]) assert.match(heard, /no answer|EHOSTUNREACH/)
    await lab.networks.plug(web.port, web.nic)
    await lab.networks.plug(web.port, web.nic)
    assert.match(await ask('127.0.0.1', hostPort), /^web /)
    assert.match(await ask(address(other.port.ipv4), 80, { from: web.netns }), /^other /)
    await lab.networks.deletePort(web.id)
    await lab.networks.deletePort(web.id)
    assert.equal(await ask('127.0.0.1', hostPort, quiet), 'ECONNREFUSED')
    assert.match(
      await ask(address(other.port.ipv4), 80, { from: web.netns, ...quiet }),
      /no answer|EHOSTUNREACH/,
    )
  },
)

test("a sandbox that takes another's address, or another card's, is not heard", needsRoot, async () => {
  await using lab = await Lab.open()
  await lab.serve(await lab.internet(), 80, 'internet')
  const thief = await lab.container()
  await ipBatch(
    [
      'addr flush dev eth0',
      'addr add 10.213.0.77/24 dev eth0',
      `route add default via ${thief.port.gateway4}`,
    ],
    thief.netns,
  )
  assert.match(await ask(internetAddress, 80, { from: thief.netns, ...quiet }), /no answer|EHOSTUNREACH/)
  await ipBatch(
    [
      'addr flush dev eth0',
      `addr add ${thief.port.ipv4} dev eth0`,
      `route add default via ${thief.port.gateway4}`,
    ],
    thief.netns,
  )
  assert.match(await ask(internetAddress, 80, { from: thief.netns }), /^internet /)
  await ipBatch(['link set eth0 address 02:42:0a:d5:00:99'], thief.netns)
  assert.match(await ask(internetAddress, 80, { from: thief.netns, ...quiet }), /no answer|EHOSTUNREACH/)
})

test(
  'a host port that another container or a process of the host has is refused in the words of dockerd, and nothing is left',
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    const web = await lab.container([published(0, 80)])
    const { hostPort } = web.port.published[0]!
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port: busy } = server.address() as { port: number }
      for (const number of [hostPort, busy]) {
        const request = {
          id: 'f'.repeat(64),
          project: 'default',
          network: lab.network().id,
          publish: [published(0, 81), published(number, 80)],
        }
        await assert.rejects(lab.networks.createPort(request), (error: Error) => {
          assert.ok(hasCode(error, 'port_in_use'))
          assert.equal(
            error.message,
            `driver failed programming external connectivity on endpoint ${request.id}: Bind for 0.0.0.0:${number} failed: port is already allocated`,
          )
          return true
        })
      }
    } finally {
      server.close()
    }
    const { port } = await lab.container([published(0, 80)])
    assert.equal(
      port.ipv4,
      '10.213.0.5/24',
      'both refused ports had an address, and they are free but not given again at once',
    )
    await lab.networks.deletePort(web.id)
    await lab.container([published(hostPort, 80)])
  },
)

test('the next daemon finds the ports, and traffic under way goes on', needsRoot, async () => {
  await using lab = await Lab.open()
  const kept = await lab.container([published(0, 80)])
  const dropped = await lab.container([published(0, 80)])
  await lab.serve(kept.netns, 80, 'kept')
  await lab.serve(dropped.netns, 80, 'dropped')
  const keptPort = kept.port.published[0]!.hostPort
  const socket = connect(keptPort, '127.0.0.1')
  assert.match(await nextLine(socket), /^kept /)
  await lab.networks.close()
  lab.networks = await lab.daemon()
  await lab.networks.restore(new Set([kept.id]))
  socket.write('still there\n')
  assert.equal(await nextLine(socket), 'still there')
  socket.destroy()
  assert.match(await ask('127.0.0.1', keptPort), /^kept /)
  assert.equal(await ask('127.0.0.1', dropped.port.published[0]!.hostPort, quiet), 'ECONNREFUSED')
  const again = await lab.container([published(dropped.port.published[0]!.hostPort, 80)])
  assert.notEqual(again.port.ipv4, dropped.port.ipv4)
})

test('rules that somebody flushed are put back by restore, and by the next change', needsRoot, async () => {
  await using lab = await Lab.open()
  const web = await lab.container([published(0, 80)])
  await lab.serve(web.netns, 80, 'web')
  const { hostPort } = web.port.published[0]!
  const flush = async () => {
    await nft(`delete table inet ${hostTableOf(lab.prefix)}\n`)
    await nft('flush ruleset\n', web.nic.netns)
    assert.equal(await ask('127.0.0.1', hostPort, quiet), 'ECONNREFUSED')
  }
  await flush()
  await lab.networks.restore(new Set([web.id]))
  assert.match(await ask('127.0.0.1', hostPort), /^web /)
  await flush()
  await lab.container([published(0, 80)])
  assert.match(await ask('127.0.0.1', hostPort), /^web /)
})

test('a namespace that is half made or gone is completed at the next start', needsRoot, async (t) => {
  await using lab = await Lab.open()
  const occupant = new Set<ChildProcess>()
  t.after(() => {
    for (const child of occupant) child.kill('SIGKILL')
  })
  for (const damage of [
    () => ipBatch(['link del up0'], lab.namespace()),
    () => ipBatch(['link del br0'], lab.namespace()),
    () => ipBatch([`netns del ${lab.namespace()}`]),
    // Somebody is still in it, as sandboxes would be.
    async () => {
      occupant.add(spawn('ip', ['netns', 'exec', lab.namespace(), 'sleep', '1000'], { stdio: 'ignore' }))
      await until(
        'somebody to be in it',
        () => run('ip', ['netns', 'pids', lab.namespace()]).then(({ stdout }) => stdout !== ''),
        {
          deadlineMs: 5_000,
        },
      )
      await ipBatch([`netns del ${lab.namespace()}`])
    },
  ]) {
    await damage()
    lab.networks = await lab.daemon()
    const web = await lab.container([published(0, 80)])
    await lab.serve(web.netns, 80, 'web')
    assert.match(await ask('127.0.0.1', web.port.published[0]!.hostPort), /^web /)
    await lab.networks.deletePort(web.id)
  }
})

test('a network that cannot be put right does not keep the others down', needsRoot, async () => {
  await using lab = await Lab.open(['default', 'other'])
  const { namespace, uplink } = lab.names('other')
  await ipBatch([`link del ${uplink}`, `link add ${uplink} type bridge`])
  lab.networks = await lab.daemon(['default', 'other'])
  const web = await lab.container([published(0, 80)])
  await lab.serve(web.netns, 80, 'web')
  assert.match(await ask('127.0.0.1', web.port.published[0]!.hostPort), /^web /)
  await ipBatch([`link del ${uplink}`])
  lab.networks = await lab.daemon(['default', 'other'])
  const { stdout } = await run('ip', ['-n', namespace, '-br', 'link'])
  assert.match(stdout, /^up0/m)
})

test('a card that no process holds is swept, unless a port or the caller keeps it', needsRoot, async () => {
  await using lab = await Lab.open()
  const network = lab.network().id
  const [abandoned, kept, plugged] = await Promise.all([1, 2, 3].map(() => lab.networks.create(network)))
  const port = await lab.networks.createPort({ id: 'a'.repeat(64), project: 'default', network, publish: [] })
  await lab.networks.plug(port, plugged!)
  await lab.networks.sweepNics(new Set())
  lab.networks = await lab.daemon()
  const own = await lab.networks.create(network)
  await lab.networks.sweepNics(new Set([kept!.tap]))
  const { stdout } = await run('ip', ['-n', lab.namespace(), '-br', 'link'])
  assert.deepEqual(
    [abandoned, kept, plugged, own].map((nic) => stdout.includes(nic!.tap)),
    [false, true, true, true],
  )
  await lab.networks.delete(own)
  await lab.networks.delete(own)
})

test(
  "a card opens to a process of the taps' group, to no other, and is not swept while it is open",
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    const nic = await lab.networks.create(lab.network().id)
    assert.match(await lab.hold(nic, 65_534), /^refused: Operation not permitted/)
    assert.equal(await lab.hold(nic, tapGid), 'open')
    lab.networks = await lab.daemon()
    await lab.networks.sweepNics(new Set())
    const { stdout } = await run('ip', ['-n', lab.namespace(), '-br', 'link'])
    assert.ok(stdout.includes(nic.tap))
  },
)

test(
  'a port that cannot be plugged publishes nothing, and can be plugged when the fault is mended',
  needsRoot,
  async () => {
    await using lab = await Lab.open()
    const web = await lab.container([published(0, 80)], { plug: false })
    const { hostPort } = web.port.published[0]!
    await ipBatch([`netns del ${lab.namespace()}`])
    await assert.rejects(lab.networks.plug(web.port, web.nic), (error) => hasCode(error, 'command_failed'))
    assert.equal(await ask('127.0.0.1', hostPort, quiet), 'ECONNREFUSED')
    await lab.networks.restore(new Set([web.id]))
    await lab.networks.plug(web.port, web.nic)
    assert.equal(
      await ask('127.0.0.1', hostPort, quiet),
      'no answer',
      'published again; the container is gone',
    )
    await lab.networks.deletePort(web.id)
  },
)

test('what cannot be is refused before anything is made', needsRoot, async () => {
  await using lab = await Lab.open()
  const request = { id: 'b'.repeat(64), project: 'default', network: lab.network().id, publish: [] }
  const refused = (change: object, code: string) =>
    assert.rejects(lab.networks.createPort({ ...request, ...change }), (error) => hasCode(error, code))
  await refused({ project: 'other' }, 'network_not_found')
  await refused({ network: 'no such' }, 'network_not_found')
  await refused({ mac: '01:00:5e:00:00:01' }, 'bad_mac')
  await refused({ publish: [published(0, 0)] }, 'bad_port')
  await refused({ publish: [published(0, 80, '::1')] }, 'ipv6_not_published')
  await refused({ publish: [published(0, 80, '192.0.2.250')] }, 'no_such_host_address')
  await refused({ publish: [published(0, 80, 'drop; accept')] }, 'bad_address')
  const port = await lab.networks.createPort({ ...request, mac: '02-AA-00-00-00-01', ipv4: '10.213.0.9' })
  assert.deepEqual([port.mac, port.ipv4], ['02:aa:00:00:00:01', '10.213.0.9/24'])
  await refused({}, 'port_exists')
  assert.throws(
    () => lab.networks.defaultNetwork('other'),
    (error) => hasCode(error, 'network_not_found'),
  )
})

async function nextLine(socket: Socket): Promise<string> {
  const [data] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })
  return String(data).trim()
}
