import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { ProgressLine } from '../../api/docker/backends.ts'
import { tar } from '../../lib/support/tar.ts'
import type { ImagesOptions } from '../images.ts'
import { type Handler, serve } from '../support/fake-registry.ts'
import { imageFixture, scope } from '../support/fixture.ts'
import { makeImage, sha256 } from '../support/registry.ts'
import { mediaTypes } from './manifest.ts'

const content = randomBytes(400_000)
const image = makeImage([tar({ name: 'big', data: content })])
const layer = image.blobs[0]!
const limits = { registryRetryMs: 1, registryIdleMs: 1_000 }

interface Asked {
  digest: string
  range: string | undefined
}

/** A registry that serves `image` but for what `onLayer` does; answers what was asked of the layer. */
async function faulty(
  t: TestContext,
  onLayer: (request: IncomingMessage, response: ServerResponse, nth: number) => boolean,
) {
  const asked: Asked[] = []
  const host = await serve(t, (request, response) => {
    const url = request.url!
    if (url === '/v2/') response.end('{}')
    else if (url.includes('/manifests/'))
      response.setHeader('content-type', mediaTypes.dockerManifest).end(JSON.stringify(image.manifest))
    else {
      const digest = url.split('/').at(-1)!
      if (digest !== sha256(layer)) response.end(image.config)
      else {
        asked.push({ digest, range: request.headers.range })
        if (!onLayer(request, response, asked.length)) response.end(layer)
      }
    }
  })
  return { host, asked }
}

async function pulls(t: TestContext, host: string, options: Partial<ImagesOptions> = {}) {
  const fixture = await imageFixture(t, { limits, ...options })
  const lines: ProgressLine[] = []
  const done = fixture.images.pull(scope, `${host}/x:1`, {
    progress: (line) => lines.push(line),
    signal: AbortSignal.timeout(30_000),
  })
  return { ...fixture, lines, done }
}

/** Some bytes, then the connection is gone. */
function drop(response: ServerResponse, bytes: Buffer) {
  response.write(bytes, () => response.destroy())
  return true
}

const from = (request: IncomingMessage) => Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)

test('a download that is dropped again and again goes on where it was', async (t) => {
  const step = 100_000
  const { host, asked } = await faulty(t, (request, response) => {
    const start = from(request)
    const left = layer.length - start
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': left,
      'content-range': `bytes ${start}-${layer.length - 1}/${layer.length}`,
    })
    if (left > step) return drop(response, layer.subarray(start, start + step))
    response.end(layer.subarray(start))
    return true
  })
  const { done, images } = await pulls(t, host)
  await done
  assert.equal((await images.list(scope)).length, 1)
  const starts = asked.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')![1]))
  assert.ok(starts.length >= 5, String(starts))
  assert.ok(
    starts.every((start, i) => i === 0 || start > starts[i - 1]!),
    String(starts),
  )
})

test('a registry that does not know ranges is asked for the whole again', async (t) => {
  const { host, asked } = await faulty(t, (_, response, nth) => {
    if (nth > 1) return false
    response.writeHead(200, { 'content-length': layer.length })
    return drop(response, layer.subarray(0, 1000))
  })
  const { done } = await pulls(t, host)
  await done
  assert.equal(asked.length, 2)
})

test('ranges that begin elsewhere, or that are refused, lead to a new beginning', async (t) => {
  for (const answer of ['other', 'refused'] as const) {
    const { host } = await faulty(t, (request, response, nth) => {
      if (nth === 1) {
        response.writeHead(200, { 'content-length': layer.length })
        return drop(response, layer.subarray(0, 1000))
      }
      if (from(request) === 0) return false
      if (answer === 'refused') response.writeHead(416).end()
      else
        response.writeHead(206, { 'content-range': `bytes 0-9/${layer.length}` }).end(layer.subarray(0, 10))
      return true
    })
    const { done } = await pulls(t, host)
    await done
  }
})

test('a layer whose bytes are not those of its digest is refused and leaves nothing', async (t) => {
  const { host } = await faulty(t, (_, response) => {
    response.end(Buffer.alloc(layer.length))
    return true
  })
  const { done, files, images } = await pulls(t, host)
  await assert.rejects(done, {
    kind: 'invalid',
    message: `filesystem layer verification failed for digest ${sha256(layer)}`,
  })
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
  assert.deepEqual(await images.list(scope), [])
})

test('a registry that sends more than it said is cut off', async (t) => {
  const { host } = await faulty(t, (_, response) => {
    const flood = () => {
      while (!response.destroyed && response.write(layer));
    }
    response.on('drain', flood).on('error', () => {})
    flood()
    return true
  })
  const { done, files } = await pulls(t, host)
  await assert.rejects(done, /more than the \d+ bytes/)
  assert.deepEqual((await files()).temporary, [])
})

test('a registry that falls silent is given up after its time, several times over, and told of', async (t) => {
  const { host, asked } = await faulty(t, (_, response) => {
    response.writeHead(200, { 'content-length': layer.length })
    response.write(layer.subarray(0, 10))
    return true
  })
  const { done } = await pulls(t, host, { limits: { registryRetryMs: 1, registryIdleMs: 100 } })
  await assert.rejects(done, { kind: 'unavailable', message: /timeout awaiting response/ })
  assert.equal(asked.length, 5)
})

test('a registry that fails is asked again, but not for ever', async (t) => {
  const busy = await faulty(t, (_, response, nth) => {
    if (nth > 2) return false
    response.writeHead(503).end('busy')
    return true
  })
  await (await pulls(t, busy.host)).done
  assert.equal(busy.asked.length, 3)

  const broken = await faulty(t, (_, response) => {
    response.writeHead(500).end('no')
    return true
  })
  await assert.rejects((await pulls(t, broken.host)).done, {
    kind: 'unavailable',
    message: 'received unexpected HTTP status: 500',
  })
  assert.equal(broken.asked.length, 5)
})

test('a pull that is cancelled in the middle of a layer leaves nothing', async (t) => {
  const { host } = await faulty(t, (_, response) => {
    response.writeHead(200, { 'content-length': layer.length })
    response.write(layer.subarray(0, 1000))
    return true
  })
  const abort = new AbortController()
  const { images, files } = await imageFixture(t)
  const done = images.pull(scope, `${host}/x:1`, {
    progress: ({ status }) => status === 'Downloading' && abort.abort(),
    signal: abort.signal,
  })
  await assert.rejects(done, { kind: 'cancelled' })
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
})

const answering =
  (manifest: string, type: string): Handler =>
  (request, response) => {
    if (request.url === '/v2/') response.end('{}')
    else response.setHeader('content-type', type).end(manifest)
  }

test('manifests that are not what they say are refused', async (t) => {
  const good = image.manifest
  const list = { schemaVersion: 2, mediaType: mediaTypes.dockerList, manifests: [] }
  const descriptor = good.layers[0]!
  const many = Array.from({ length: 128 }, () => descriptor)
  const cases: [what: string, body: unknown, type: string, error: RegExp][] = [
    [
      'an image that came as a list',
      good,
      mediaTypes.dockerList,
      /it calls itself .*manifest\.v2\+json, but it came as .*list/,
    ],
    [
      'both an image and a list',
      { ...good, manifests: [] },
      mediaTypes.dockerManifest,
      /both an image and a list/,
    ],
    [
      'schema 1',
      { schemaVersion: 1, fsLayers: [], history: [] },
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      /schema 1 is not supported/,
    ],
    ['an empty list', list, mediaTypes.dockerList, /no matching manifest for linux\/amd64/],
    ['no JSON', '{', mediaTypes.dockerManifest, /not JSON/],
    ['no configuration', { schemaVersion: 2, layers: [] }, mediaTypes.dockerManifest, /no configuration/],
    [
      'a chart',
      { ...good, config: { ...good.config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
      mediaTypes.dockerManifest,
      /no container image/,
    ],
    [
      'a layer of another kind',
      { ...good, layers: [{ ...descriptor, mediaType: 'text/plain' }] },
      mediaTypes.dockerManifest,
      /media type text\/plain/,
    ],
    [
      'a negative size',
      { ...good, layers: [{ ...descriptor, size: -1 }] },
      mediaTypes.dockerManifest,
      /layers.0.size/,
    ],
    [
      'a huge size',
      { ...good, layers: [{ ...descriptor, size: 2 ** 53 }] },
      mediaTypes.dockerManifest,
      /layers.0.size/,
    ],
    [
      'a large image',
      { ...good, layers: [{ ...descriptor, size: 2 ** 40 }] },
      mediaTypes.dockerManifest,
      /at most \d+ are allowed/,
    ],
    [
      'a digest that is a path',
      { ...good, layers: [{ ...descriptor, digest: 'sha256:../../etc/passwd' }] },
      mediaTypes.dockerManifest,
      /layers.0.digest/,
    ],
    [
      'another algorithm',
      { ...good, config: { ...good.config, digest: `sha512:${'a'.repeat(128)}` } },
      mediaTypes.dockerManifest,
      /config.digest/,
    ],
    ['too many layers', { ...good, layers: many }, mediaTypes.dockerManifest, /127 layers at most/],
    [
      'another kind of thing',
      { schemaVersion: 2, mediaType: 'application/x' },
      mediaTypes.dockerManifest,
      /but it came as/,
    ],
    ['5 MiB', `{"a":"${'x'.repeat(5 << 20)}"}`, mediaTypes.dockerManifest, /more than \d+ bytes/],
    ['deep JSON', '['.repeat(1_000_000), mediaTypes.dockerManifest, /cannot be used/],
  ]
  const { images } = await imageFixture(t, { limits })
  for (const [what, body, type, error] of cases) {
    const host = await serve(t, answering(typeof body === 'string' ? body : JSON.stringify(body), type))
    const pull = images.pull(scope, `${host}/x:1`, { progress() {}, signal: AbortSignal.timeout(30_000) })
    await assert.rejects(pull, error, what)
  }
})

test('a manifest asked for by digest must have that digest', async (t) => {
  const { images } = await imageFixture(t, { limits })
  const host = await serve(t, answering(JSON.stringify(image.manifest), mediaTypes.dockerManifest))
  const wanted = sha256('something else')
  await assert.rejects(
    images.pull(scope, `${host}/x@${wanted}`, { progress() {}, signal: AbortSignal.timeout(30_000) }),
    { message: `manifest verification failed for digest ${wanted}` },
  )
})
