import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { within } from '../lib/deadline.ts'
import { dockerRoutes } from './docker/routes.ts'
import { hostileRequest } from './support/hostile.ts'
import { Served } from './support/serve.ts'

// Waiting and attaching take as long as they take.
const served = dockerRoutes.filter((route) => route.served && !/wait|attach/.test(route.path))

for (const route of served) {
  const name = `${route.method} ${route.path}`
  test(`${name}: whatever is asked is answered, is no fault of ours, and leaves nothing when it is refused`, async () => {
    await using front = await Served.start()
    const { containers, volumes, networks, images } = front.cloud
    const there = async () => ({
      containers: [...containers.entries.keys()],
      execs: [...containers.execs.keys()],
      volumes: (await volumes.list()).map((volume) => volume.name),
      networks: (await networks.list()).map((network) => network.name),
      images: images.images.map(({ id, tags }) => [id, ...tags]),
    })
    const options = { names: ['c1', 'busybox', 'bridge'], within: { Image: 'busybox' } }
    await fc.assert(
      fc.asyncProperty(hostileRequest(route, options), async ({ method, target, body }) => {
        if (![...containers.entries.values()].some(({ container }) => container.name === 'c1')) {
          await front.ask('POST', '/containers/create?name=c1', { Image: 'busybox', Cmd: ['both'] })
        }
        const before = await there()
        const headers = { 'Content-Type': 'application/json' }
        const answer = await within(
          front.ask(method, target, body, headers),
          10_000,
          `${method} ${target} ${body}`,
        )
        assert.notEqual(answer.status, 500, `${method} ${target} ${body}: ${answer.text}`)
        assert.deepEqual(front.faults, [])
        if (answer.status >= 300) assert.deepEqual(await there(), before, `${method} ${target} ${body}`)
      }),
      { numRuns: route.body ? 150 : 30 },
    )
  })
}

test('no bytes at all stop the server', async () => {
  await using front = await Served.start()
  const piece = fc.oneof(
    fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'POST /exec/x/start HTTP/1.1\r\n',
      'Host: x\r\n',
      '\r\n',
      'Upgrade: tcp\r\n',
    ),
    fc.constantFrom(
      'Connection: Upgrade\r\n',
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
      '0\r\n\r\n',
      '{}',
    ),
    fc.string({ unit: 'binary' }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const wire = front.connect()
      const closed = new Promise((resolve) => wire.socket.once('close', resolve))
      for (const bytes of pieces) wire.send(bytes)
      wire.socket.end()
      await closed
      assert.doesNotMatch(wire.text, /HTTP\/1.1 500/)
    }),
    { numRuns: 300 },
  )
  assert.equal((await front.ask('GET', '/_ping')).text, 'OK')
  assert.deepEqual(front.faults, [])
})
