/** Real sockets in a namespace: what is asked there is answered by a process outside of it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { createServer, Socket } from 'node:net'
import { test } from 'node:test'
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  streamDecode,
  streamEncode,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import { Rollback } from '../../lib/rollback.ts'
import { run } from '../../lib/spawn.ts'
import { needsRoot } from '../builtin/support/lab.ts'
import { Directory } from './directory.ts'
import { tcpClient, tcpServer, udpClient, udpServer } from './namespace-sockets.ts'
import { NetworkServer } from './server.ts'

const gateway = '10.214.0.1'
const asker = '10.214.0.2'
const elsewhere = '10.214.0.53'

interface Room extends AsyncDisposable {
  readonly netns: string
  readonly directory: Directory
  readonly server: NetworkServer
}

/** A network of one namespace: everybody's addresses are on its loopback. */
async function room(nameservers: readonly string[] = [], hostServers: readonly string[] = []): Promise<Room> {
  const undo = new Rollback()
  const name = `q${randomBytes(3).toString('hex')}`
  await run('ip', ['netns', 'add', name])
  undo.add(() => run('ip', ['netns', 'del', name]))
  const netns = `/run/netns/${name}`
  await run('ip', ['-n', name, '-batch', '-'], {
    input: [
      'link set lo up',
      ...[gateway, asker, elsewhere].map((address) => `addr add ${address}/24 dev lo`),
    ].join('\n'),
  })
  const directory = new Directory()
  const network = {
    id: 'n',
    name: 'own',
    netns,
    inode: 1,
    address: gateway,
    subnet: '10.214.0.0/24',
    internal: false,
  }
  directory.addNetwork(network)
  directory.add({
    ...{ id: 'e', network: 'n', ipv4: asker, container: 'c', name: 'web', names: ['web'], links: {} },
    nameservers,
  })
  const server = new NetworkServer(network, directory, () => hostServers)
  undo.add(() => server.close())
  return { netns, directory, server, [Symbol.asyncDispose]: () => undo[Symbol.asyncDispose]() }
}

const question = (name: string): Packet => ({
  type: 'query',
  id: 7,
  flags: 256,
  questions: [{ type: 'A', name }],
})
const rcode = (packet: DecodedPacket) => (packet.flags ?? 0) & 15
const addresses = ({ answers }: Packet) => answers?.map((answer) => answer.type === 'A' && answer.data)

/** The kernel asks from the address that is asked when none was chosen: from the asker's own it has to be bound. */
async function byUdp(netns: string, name: string, from = asker): Promise<DecodedPacket> {
  const client = udpServer(netns, from, 0)
  try {
    const answer = once(client, 'message', { signal: AbortSignal.timeout(20_000) })
    client.send(encode(question(name)), 53, gateway)
    return decode((await answer)[0] as Buffer)
  } finally {
    client.close()
  }
}

/** Servers that others would run: names `small` and `large`, of which the latter is too large for UDP. */
function others(listen: {
  udp: ReturnType<typeof createSocket>
  tcp: ReturnType<typeof createServer>
}): void {
  const answersTo = (name: string): Answer[] =>
    Array.from({ length: name === 'large' ? 60 : 1 }, (_, n) => ({
      type: 'A',
      name,
      ttl: 1,
      data: `192.0.2.${n}`,
    }))
  listen.udp.on('message', (message, from) => {
    const { id = 0, questions = [] } = decode(message)
    const { name } = questions[0]!
    const large = name === 'large'
    const answer = encode({
      ...{ type: 'response', id, questions, flags: large ? TRUNCATED_RESPONSE : 0 },
      answers: large ? [] : answersTo(name),
    })
    listen.udp.send(answer, from.port, from.address)
  })
  listen.tcp.on('connection', (socket: Socket) => {
    socket.on('data', (data) => {
      const { id = 0, questions = [] } = streamDecode(data as Buffer)
      socket.end(streamEncode({ type: 'response', id, questions, answers: answersTo(questions[0]!.name) }))
    })
  })
}

test('a name is answered by UDP and by TCP, to who is in the network', needsRoot, async () => {
  await using made = await room()
  assert.deepEqual(addresses(await byUdp(made.netns, 'web')), [asker])
  const client = tcpClient(made.netns)
  client.connect({ port: 53, host: gateway, localAddress: asker })
  client.write(Buffer.concat([streamEncode(question('web')), streamEncode(question('web.own'))]))
  const answers: Packet[] = []
  let received = Buffer.alloc(0)
  for await (const chunk of client) {
    received = Buffer.concat([received, chunk as Buffer])
    while (received.length > 2 && received.length >= 2 + received.readUInt16BE(0)) {
      answers.push(streamDecode(received))
      received = received.subarray(2 + received.readUInt16BE(0))
    }
    if (answers.length === 2) break
  }
  assert.deepEqual(answers.map(addresses), [[asker], [asker]])
})

test(
  'what is not here is asked of the servers that the container names, in its network',
  needsRoot,
  async () => {
    await using made = await room([elsewhere])
    const udp = udpServer(made.netns, elsewhere, 53)
    const tcp = tcpServer(made.netns, elsewhere, 53)
    try {
      others({ udp, tcp })
      assert.deepEqual(addresses(await byUdp(made.netns, 'small')), ['192.0.2.0'])
      assert.equal((await byUdp(made.netns, 'large')).flag_tc, true)
      const client = tcpClient(made.netns)
      client.connect({ port: 53, host: gateway, localAddress: asker })
      client.write(streamEncode(question('large')))
      let received = Buffer.alloc(0)
      for await (const chunk of client) {
        received = Buffer.concat([received, chunk as Buffer])
        if (received.length > 2 && received.length >= 2 + received.readUInt16BE(0)) break
      }
      assert.equal(addresses(streamDecode(received))?.length, 60)
    } finally {
      udp.close()
      tcp.close()
    }
  },
)

test('the host’s servers are asked from the host; when nobody answers that is said', needsRoot, async () => {
  await using made = await room([], ['127.0.0.1'])
  // Nothing listens there in the namespace; on the host something may, and says what it says.
  const { questions } = await byUdp(made.netns, 'nothing.invalid')
  assert.equal(questions?.[0]?.name, 'nothing.invalid')
  await using closed = await room()
  assert.equal(rcode(await byUdp(closed.netns, 'nothing.invalid')), 2)
})

test('who is not in the network, or says nonsense, is not answered; the others are', needsRoot, async () => {
  await using made = await room()
  const stranger = udpServer(made.netns, elsewhere, 0)
  let heard = 0
  stranger.on('message', () => heard++)
  stranger.send(encode(question('web')), 53, gateway)
  const noise = udpClient(made.netns)
  for (let n = 0; n < 50; n++) noise.send(randomBytes(n * 20), 53, gateway)
  const hung = tcpClient(made.netns)
  hung.on('error', () => {})
  hung.connect({ port: 53, host: gateway, localAddress: asker })
  hung.write(Buffer.from([0xff, 0xff, 1, 2, 3]))
  assert.deepEqual(addresses(await byUdp(made.netns, 'web')), [asker])
  assert.equal(heard, 0)
  for (const socket of [stranger, noise]) socket.close()
  hung.destroy()
})
