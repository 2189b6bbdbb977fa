import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dockerRoutes } from './docker/routes.ts'
import { Served } from './support/serve.ts'

/** Words that mean something somewhere, among ones that do not. */
const word = fc.oneof(
  fc.constantFrom(
    '1',
    'true',
    '0',
    '',
    'all',
    '-1',
    '99999999999999999999',
    'x',
    'busybox',
    'sleep',
    'null',
    '[]',
    '{}',
  ),
  fc.constantFrom(
    '{"label":["a"]}',
    '{"name":{"(":true}}',
    '{"status":["running"]}',
    '{"until":["1h"]}',
    '1.5',
    '%00',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
)
const queryNames = [
  ...[
    'all',
    'changes',
    'condition',
    'detachKeys',
    'details',
    'filters',
    'force',
    'fromImage',
    'fromSrc',
    'h',
    'limit',
  ],
  ...[
    'logs',
    'name',
    'names',
    'one-shot',
    'platform',
    'ps_args',
    'quiet',
    'repo',
    'signal',
    'since',
    'size',
    'stderr',
  ],
  ...[
    'stdin',
    'stdout',
    't',
    'tag',
    'tail',
    'timestamps',
    'type',
    'until',
    'v',
    'w',
    '__proto__',
    'constructor',
  ],
]
const query = fc.array(fc.tuple(fc.constantFrom(...queryNames), word), { maxLength: 6 }).map((pairs) => {
  const search = new URLSearchParams(pairs as [string, string][])
  // These would be answered, rightly, only after long.
  for (const endless of ['follow', 'stream']) search.set(endless, '0')
  search.set('until', '1')
  search.set('one-shot', '1')
  return search.toString()
})

const fieldNames = [
  ...[
    'Image',
    'Cmd',
    'Entrypoint',
    'Env',
    'Labels',
    'ExposedPorts',
    'Volumes',
    'HostConfig',
    'NetworkingConfig',
    'Tty',
  ],
  ...[
    'Binds',
    'Mounts',
    'PortBindings',
    'RestartPolicy',
    'LogConfig',
    'Ulimits',
    'CapAdd',
    'Memory',
    'SecurityOpt',
  ],
  ...[
    'ExtraHosts',
    'EndpointsConfig',
    'Tmpfs',
    'Healthcheck',
    'StopTimeout',
    'Detach',
    'ConsoleSize',
    'DetachKeys',
  ],
  ...[
    'Type',
    'Name',
    'Target',
    'HostPort',
    'username',
    'serveraddress',
    'bridge',
    '80/tcp',
    '__proto__',
    'toString',
  ],
]
const { body } = fc.letrec((tie) => ({
  leaf: fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
  value: fc.oneof({ depthSize: 'small' }, tie('leaf'), fc.array(tie('value'), { maxLength: 3 }), tie('body')),
  body: fc
    .array(fc.tuple(fc.constantFrom(...fieldNames), tie('value')), { maxLength: 8 })
    .map((entries) => Object.fromEntries(entries)),
}))

// Waiting and attaching take as long as they take.
const served = dockerRoutes.filter((route) => route.served && !/wait|attach/.test(route.path))
const path = fc.tuple(fc.constantFrom(...served), fc.oneof(word, fc.constant('c1'))).map(([route, ref]) => {
  const name = encodeURIComponent(ref) || 'x'
  return { method: route.method, path: route.path.replace(/:id|\*name/, name) }
})
const version = fc.constantFrom('', '/v1.22', '/v1.41', '/v1.50', '/v9.9')

test('no request that a client can send is our fault, or left without an answer', async () => {
  await using front = await Served.start()
  const { containers } = front.cloud
  const present = () => [...containers.entries.values()].some(({ container }) => container.name === 'c1')
  const wellFormed = fc
    .record({ Image: fc.constant('busybox') })
    .chain((fixed) => body.map((more) => ({ ...(more as object), ...fixed })))
  await fc.assert(
    fc.asyncProperty(
      path,
      version,
      query,
      fc.oneof(body, wellFormed, fc.string()),
      async (to, prefix, search, sent) => {
        if (!present())
          await front.ask('POST', '/containers/create?name=c1', { Image: 'busybox', Cmd: ['both'] })
        const content = typeof sent === 'string' ? sent : JSON.stringify(sent)
        const answer = await front.ask(to.method, `${prefix}${to.path}?${search}`, content, {
          'Content-Type': 'application/json',
        })
        assert.notEqual(answer.status, 500, `${to.method} ${to.path}?${search} ${content}: ${answer.text}`)
        assert.deepEqual(front.faults, [])
      },
    ),
    { numRuns: 1500 },
  )
})

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
