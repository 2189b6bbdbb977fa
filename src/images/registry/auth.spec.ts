import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RegistryCredentials } from '../../api/docker/backends.ts'
import { tar } from '../../lib/support/tar.ts'
import { type Handler, serve } from '../support/fake-registry.ts'
import { imageFixture, scope } from '../support/fixture.ts'
import { makeImage, sha256 } from '../support/registry.ts'
import { parseChallenges } from './challenge.ts'
import { RegistryClient } from './client.ts'
import { endpointOf, isInward, isSameRegistry } from './endpoint.ts'
import { mediaTypes } from './manifest.ts'

const image = makeImage([tar({ name: 'a', data: 'b' })])
const user = { username: 'ann', password: 'secret' }
const basic = `Basic ${Buffer.from('ann:secret').toString('base64')}`

interface Seen {
  who: string
  url: string
  authorization: string | undefined
  body: string
}

/** A server that notes what it is asked. */
function noting(seen: Seen[], who: string, handler: Handler): Handler {
  return async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    seen.push({ who, url: request.url!, authorization: request.headers.authorization, body })
    await handler(request, response)
  }
}

const content: Handler = (request, response) => {
  const url = request.url!
  if (url.includes('/manifests/'))
    response.setHeader('content-type', mediaTypes.dockerManifest).end(JSON.stringify(image.manifest))
  else if (url.includes('/blobs/'))
    response.end(image.blobs.find((blob) => sha256(blob) === url.split('/').at(-1)))
  else response.end('{}')
}

/** Serves `content` to who has the token, and sends the others for it. */
const guarded =
  (realm: () => string, token = 'let-me-in'): Handler =>
  (request, response) => {
    if (request.headers.authorization === `Bearer ${token}`) return content(request, response)
    response
      .writeHead(401, {
        'www-authenticate': `Bearer realm="${realm()}",service="the registry",scope="x:y:z"`,
      })
      .end()
  }

test('a token is asked for with what we want, and with the credentials only if there are any', async (t) => {
  const seen: Seen[] = []
  const tokens = await serve(
    t,
    noting(seen, 'tokens', (_, response) => void response.end('{"token":"let-me-in"}')),
  )
  const registry = await serve(
    t,
    noting(
      seen,
      'registry',
      guarded(() => `http://${tokens}/token`),
    ),
  )
  const { images } = await imageFixture(t)
  const pull = (tag: string, credentials?: RegistryCredentials) =>
    images.pull(scope, `${registry}/team/x:${tag}`, {
      ...(credentials ? { credentials } : {}),
      progress() {},
      signal: AbortSignal.timeout(30_000),
    })
  await pull('1')
  await pull('2', { ...user, serverAddress: registry })
  await pull('3', { identityToken: 'long', serverAddress: registry })
  const asked = seen.filter(({ who }) => who === 'tokens')
  assert.equal(asked.length, 3)
  const scopeText = 'repository:team/x:pull'
  const query = (i: number) => Object.fromEntries(new URL(asked[i]!.url, 'http://x').searchParams)
  assert.deepEqual(query(0), { service: 'the registry', scope: scopeText })
  assert.equal(asked[0]!.authorization, undefined)
  assert.deepEqual(query(1), { service: 'the registry', scope: scopeText, account: 'ann' })
  assert.equal(asked[1]!.authorization, basic)
  assert.deepEqual(Object.fromEntries(new URLSearchParams(asked[2]!.body)), {
    grant_type: 'refresh_token',
    refresh_token: 'long',
    service: 'the registry',
    scope: scopeText,
    client_id: 'hummingbird',
  })
  // The registry itself never sees the password.
  assert.ok(seen.every(({ who, authorization }) => who === 'tokens' || !authorization?.startsWith('Basic')))
})

test('whom a registry redirects us to sees neither token nor password, and its challenge is not answered', async (t) => {
  const seen: Seen[] = []
  let isStorageClosed = false
  const storage = await serve(
    t,
    noting(seen, 'storage', (request, response) => {
      if (isStorageClosed) response.writeHead(401, { 'www-authenticate': 'Basic realm="give"' }).end()
      else return content(request, response)
    }),
  )
  const registry = await serve(
    t,
    noting(seen, 'registry', (request, response) => {
      if (request.headers.authorization !== basic)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      else if (request.url!.includes('/blobs/'))
        response.writeHead(307, { location: `http://${storage}${request.url}` }).end()
      else return content(request, response)
    }),
  )
  const { images } = await imageFixture(t)
  const pull = (tag: string) =>
    images.pull(scope, `${registry}/x:${tag}`, {
      credentials: user,
      progress() {},
      signal: AbortSignal.timeout(30_000),
    })
  await pull('1')
  await images.remove(scope, `${registry}/x:1`, { force: true, usedBy: () => [] })
  isStorageClosed = true
  await assert.rejects(pull('2'), { kind: 'unauthorized' })
  const stored = seen.filter(({ who }) => who === 'storage')
  assert.ok(stored.length >= 3)
  assert.ok(stored.every(({ authorization }) => authorization === undefined))
})

test('credentials are not sent in clear, nor to who they are not for', async (t) => {
  const { images } = await imageFixture(t)
  const seen: Seen[] = []
  const other = await serve(t, noting(seen, 'other', content))
  for (const realm of [
    'http://example.com/token',
    'ftp://x/',
    '',
    `http://ann:x@${other}/`,
    'token',
    '//x',
  ]) {
    const registry = await serve(
      t,
      guarded(() => realm),
    )
    const pull = images.pull(scope, `${registry}/x:1`, {
      credentials: user,
      progress() {},
      signal: AbortSignal.timeout(30_000),
    })
    await assert.rejects(pull, { kind: 'forbidden', code: 'registry_realm' }, realm)
  }
  for (const location of [
    'http://example.com/blob',
    'file:///etc/passwd',
    'gopher://x',
    'http://169.254.169.254/latest',
  ]) {
    const registry = await serve(t, (request, response) => {
      if (request.url!.includes('/blobs/')) response.writeHead(307, { location }).end()
      else return content(request, response)
    })
    const pull = images.pull(scope, `${registry}/x:1`, { progress() {}, signal: AbortSignal.timeout(30_000) })
    await assert.rejects(pull, { kind: 'forbidden', code: 'redirect' }, location)
  }
  assert.deepEqual(seen, [])
  assert.equal(isSameRegistry('https://index.docker.io/v1/', 'docker.io'), true)
  assert.equal(isSameRegistry('https://index.docker.io/v1/', 'quay.io'), false)
  assert.equal(isSameRegistry('quay.io:443/x', 'quay.io'), false)
})

test('redirects without end are cut short', async (t) => {
  const host: string = await serve(t, (request, response) => {
    if (request.url === '/v2/') response.end('{}')
    else response.writeHead(302, { location: `http://${host}${request.url}` }).end()
  })
  const { images } = await imageFixture(t)
  await assert.rejects(
    images.pull(scope, `${host}/x:1`, { progress() {}, signal: AbortSignal.timeout(30_000) }),
    /redirects more than 5 times/,
  )
})

test('what a registry says when it refuses is passed on, without what could harm a terminal', async (t) => {
  const { images } = await imageFixture(t)
  const cases: [status: number, body: string, expected: object][] = [
    [
      403,
      '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}',
      {
        kind: 'not_found',
        message:
          /^pull access denied for .*\/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied$/,
      },
    ],
    [
      404,
      '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}',
      {
        kind: 'not_found',
        message: /^repository .*\/x not found: name unknown: repository name not known to registry$/,
      },
    ],
    [
      429,
      '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow\\u001b[31m down"}]}',
      { kind: 'exhausted', message: 'toomanyrequests: slow [31m down' },
    ],
    [418, '<html>', { kind: 'invalid', message: 'received unexpected HTTP status: 418' }],
  ]
  for (const [status, body, expected] of cases) {
    const host = await serve(t, (request, response) => {
      if (request.url === '/v2/') response.end('{}')
      else response.writeHead(status).end(body)
    })
    await assert.rejects(
      images.pull(scope, `${host}/x:1`, { progress() {}, signal: AbortSignal.timeout(60_000) }),
      expected,
    )
  }
})

test('plain HTTP is for loopback and registries the operator named', () => {
  const origin = (domain: string) => endpointOf(domain, ['reg.lan:5000', 'all.lan']).origin
  assert.equal(origin('docker.io'), 'https://registry-1.docker.io')
  assert.equal(origin('localhost:5000'), 'http://localhost:5000')
  assert.equal(origin('127.1.2.3'), 'http://127.1.2.3')
  assert.equal(origin('[::1]:5000'), 'http://[::1]:5000')
  assert.equal(origin('reg.lan:5000'), 'http://reg.lan:5000')
  assert.equal(origin('reg.lan'), 'https://reg.lan')
  assert.equal(origin('all.lan:1'), 'http://all.lan:1')
  assert.equal(origin('localhost.example.com'), 'https://localhost.example.com')
  assert.equal(origin('127.0.0.1.example.com'), 'https://127.0.0.1.example.com')
})

test('a registry elsewhere cannot lead us to this host or its link', async () => {
  for (const address of [
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '169.254.169.254',
    '::1',
    '::',
    'fe80::1',
    '::ffff:127.0.0.1',
    '::ffff:169.254.1.1',
  ]) {
    assert.equal(isInward(address), true, address)
  }
  for (const address of ['10.0.0.1', '192.168.1.1', '8.8.8.8', '2001:db8::1', 'localhost'])
    assert.equal(isInward(address), false, address)
  const options = { insecureRegistries: [], actions: 'pull', idleMs: 1_000, retryMs: 1 } as const
  for (const domain of ['169.254.169.254', '0.0.0.0:5000', '[::ffff:127.0.0.1]:5000']) {
    await assert.rejects(
      new RegistryClient({ domain, path: 'x' }, options).manifest('1'),
      { code: 'registry_address' },
      domain,
    )
  }
})

test('challenges are read as they are written, and nonsense never throws', () => {
  assert.deepEqual(
    parseChallenges(
      'Bearer realm="https://a/b?c=d",service="x, \\"y\\"",scope="a:b:c,d", Basic realm=plain',
    ).map((challenge) => ({
      scheme: challenge.scheme,
      parameters: { ...challenge.parameters },
    })),
    [
      { scheme: 'bearer', parameters: { realm: 'https://a/b?c=d', service: 'x, "y"', scope: 'a:b:c,d' } },
      { scheme: 'basic', parameters: { realm: 'plain' } },
    ],
  )
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'aB="\\, \t;'), maxLength: 40 }),
      (text) => void parseChallenges(text),
    ),
  )
})
