import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import type { ProgressLine } from '../api/docker/backends.ts'
import { tar } from '../lib/support/tar.ts'
import type { Images } from './images.ts'
import { shortDigest } from './progress.ts'
import { mediaTypes } from './registry/manifest.ts'
import { fakeRegistry } from './support/fake-registry.ts'
import { cat, imageFixture, other, paths, scope } from './support/fixture.ts'
import { makeImage, sha256, startRegistry } from './support/registry.ts'

const base = tar(
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/os', data: 'base' },
  { name: 'gone', data: 'x' },
)
const upper = tar({ name: 'etc/os', data: 'upper' }, { name: '.wh.gone' })

async function pull(
  images: Images,
  name: string,
  options: { platform?: string; allTags?: boolean; project?: string } = {},
) {
  const lines: ProgressLine[] = []
  const { project = scope.project, ...rest } = options
  await images.pull({ project }, name, {
    ...rest,
    progress: (line) => lines.push(line),
    signal: AbortSignal.timeout(30_000),
  })
  return lines
}

const said = (lines: readonly ProgressLine[]): string[] =>
  lines
    .filter(({ status }) => status !== 'Downloading' && status !== 'Extracting')
    .map(({ id, status }) => (id ? `${id}: ${status}` : `${status}`))

test('a pull tells what dockerd would, layer by layer, and the image can be run', async (t) => {
  const [registry, { images, events, files }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const image = await registry.putImage('demo:1', [base, upper])
  const name = `${registry.host}/demo:1`
  const lines = await pull(images, name)
  const ids = image.layers.map(shortDigest)
  const all = said(lines)
  assert.equal(all[0], '1: Pulling from demo')
  for (const id of ids) {
    const own = all.filter((line) => line.startsWith(id)).map((line) => line.slice(id.length + 2))
    assert.deepEqual(own, ['Pulling fs layer', 'Verifying Checksum', 'Download complete', 'Pull complete'])
  }
  assert.deepEqual(all.slice(-2), [`Digest: ${image.digest}`, `Status: Downloaded newer image for ${name}`])
  const last = lines.findLast(({ status, id }) => status === 'Downloading' && id === ids[0])!
  const detail = last.progressDetail as { current: number; total: number }
  assert.equal(detail.current, detail.total)
  assert.match(last.progress as string, /^\[=+>\] +\d+B\/\d+B$/)

  const found = await images.resolve('default', name)
  assert.equal(found.id, image.id)
  const block = await images.blockImage(image.id)
  assert.deepEqual(await paths(block), ['/etc', '/etc/os'])
  assert.equal(await cat(block, 'etc/os'), 'upper')
  const details = await images.get(scope, name)
  assert.deepEqual(details.digests, [`${registry.host}/demo@${image.digest}`])
  assert.equal((await images.resolve('default', `${registry.host}/demo@${image.digest}`)).id, image.id)
  assert.deepEqual(
    events.map(({ action, id }) => [action, id]),
    [['pull', name]],
  )
  assert.deepEqual((await files()).temporary, [])

  assert.deepEqual(said(await pull(images, name)), [
    '1: Pulling from demo',
    `Digest: ${image.digest}`,
    `Status: Image is up to date for ${name}`,
  ])
})

test('layers that are there are not fetched again, and a moved tag leaves the old image without it', async (t) => {
  const [registry, { images }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const old = await registry.putImage('demo:1', [base])
  const name = `${registry.host}/demo:1`
  await pull(images, name)
  const newer = await registry.putImage('demo:1', [base, upper])
  const lines = said(await pull(images, name))
  assert.ok(lines.includes(`${shortDigest(old.layers[0]!)}: Already exists`))
  assert.equal(lines.at(-1), `Status: Downloaded newer image for ${name}`)
  assert.equal((await images.resolve('default', name)).id, newer.id)
  assert.deepEqual((await images.get(scope, old.id)).tags, [])
})

test('the image for linux/amd64 is taken from a list, and what the list lacks is named', async (t) => {
  const [registry, { images }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const ours = await registry.putImage('demo:amd', [base])
  const arm = await registry.putImage('demo:arm', [upper], { architecture: 'arm64' })
  const entry = ({ digest, size }: { digest: string; size: number }, architecture: string) => ({
    mediaType: mediaTypes.dockerManifest,
    digest,
    size,
    platform: { os: 'linux', architecture },
  })
  const list = (...manifests: object[]) => ({ schemaVersion: 2, mediaType: mediaTypes.dockerList, manifests })
  const digest = await registry.putManifest(
    'demo',
    'multi',
    list(entry(arm, 'arm64'), entry(ours, 'amd64')),
    mediaTypes.dockerList,
  )
  await registry.putManifest('demo', 'armonly', list(entry(arm, 'arm64')), mediaTypes.dockerList)

  for (const platform of [undefined, 'linux/amd64', 'amd64', 'linux/x86_64']) {
    const lines = said(await pull(images, `${registry.host}/demo:multi`, platform ? { platform } : {}))
    assert.ok(lines.includes(`Digest: ${digest}`))
  }
  assert.equal((await images.resolve('default', `${registry.host}/demo:multi`)).id, ours.id)
  await assert.rejects(pull(images, `${registry.host}/demo:armonly`), {
    kind: 'not_found',
    message: 'no matching manifest for linux/amd64 in the manifest list entries',
  })
  await assert.rejects(pull(images, `${registry.host}/demo:multi`, { platform: 'linux/arm64' }), {
    message: 'no matching manifest for linux/arm64 in the manifest list entries',
  })
  await assert.rejects(pull(images, `${registry.host}/demo:arm`), /image architecture "arm64" cannot be used/)
  await assert.rejects(pull(images, `${registry.host}/demo:multi`, { platform: '../x' }), { kind: 'invalid' })
})

test('zstd and plain layers, OCI media types and images without layers are taken', async (t) => {
  const [registry, { images }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const oci = makeImage([base], {
    compress: (bytes) => zstdCompressSync(bytes),
    layerType: mediaTypes.ociLayerZstd,
  })
  const plain = makeImage([base, base], {
    compress: (bytes) => bytes,
    layerType: mediaTypes.ociLayer,
    config: { Cmd: ['x'] },
  })
  const empty = makeImage([])
  for (const [tag, { manifest, blobs }] of Object.entries({ oci, plain, empty })) {
    for (const blob of blobs) await registry.putBlob('demo', blob)
    const body = {
      ...manifest,
      mediaType: mediaTypes.ociManifest,
      config: { ...manifest.config, mediaType: mediaTypes.ociConfig },
    }
    await registry.putManifest('demo', tag, body, mediaTypes.ociManifest)
    await pull(images, `${registry.host}/demo:${tag}`)
  }
  assert.equal(await cat(await images.blockImage(oci.id), 'etc/os'), 'base')
  assert.deepEqual(await paths(await images.blockImage(plain.id)), ['/etc', '/etc/os', '/gone'])
  assert.deepEqual(await paths(await images.blockImage(empty.id)), [])
})

test('every tag is pulled when all are asked for', async (t) => {
  const [registry, { images }] = await Promise.all([startRegistry(t), imageFixture(t)])
  await registry.putImage('demo:a', [base])
  await registry.putImage('demo:b', [upper])
  await pull(images, `${registry.host}/demo`, { allTags: true })
  assert.deepEqual(
    (await images.list(scope)).flatMap(({ tags }) => tags).sort(),
    ['a', 'b'].map((tag) => `${registry.host}/demo:${tag}`),
  )
})

test('what cannot be pulled is told in the words of dockerd', async (t) => {
  const [registry, { images }] = await Promise.all([startRegistry(t), imageFixture(t)])
  await registry.putImage('demo:1', [base])
  await assert.rejects(pull(images, `${registry.host}/demo:2`), {
    kind: 'not_found',
    message: `manifest for ${registry.host}/demo:2 not found: manifest unknown: manifest unknown`,
  })
  await assert.rejects(pull(images, 'localhost:1/demo'), {
    kind: 'unavailable',
    message: /^Get "http:\/\/localhost:1\/v2\/": dial tcp (127\.0\.0\.1|::1):1: connect: connection refused$/,
  })
  await assert.rejects(pull(images, 'Demo'), {
    message: 'invalid reference format: repository name (library/Demo) must be lowercase',
  })
})

test('projects share layers of the same repository, but not the image, and no layer by its digest alone', async (t) => {
  const [registry, { images, files }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const image = await registry.putImage('private:1', [base])
  await pull(images, `${registry.host}/private:1`)
  await assert.rejects(images.resolve(other.project, image.id), { kind: 'not_found' })
  const lines = said(await pull(images, `${registry.host}/private:1`, other))
  assert.ok(lines.includes(`${shortDigest(image.layers[0]!)}: Already exists`))
  assert.equal((await files()).blobs.length, 1)

  // A manifest elsewhere that names the layer, and a configuration that names what is in it.
  const stolen = makeImage([base], { config: { Cmd: ['thief'] } })
  const body = JSON.stringify(stolen.manifest)
  const thief = await fakeRegistry(t, {
    manifest: body,
    type: mediaTypes.dockerManifest,
    blobs: { [sha256(stolen.config)]: stolen.config },
  })
  await assert.rejects(pull(images, `${thief}/x:1`, { project: 'thief' }), { kind: 'not_found' })
  assert.deepEqual(await images.list({ project: 'thief' }), [])
})

test('a layer is fetched once for two pulls at the same time, and goes on when one of them is cancelled', async (t) => {
  const { images, files } = await imageFixture(t)
  const image = makeImage([base])
  let asked = 0
  const gate = Promise.withResolvers<void>()
  const host = await fakeRegistry(t, {
    manifest: JSON.stringify(image.manifest),
    type: mediaTypes.dockerManifest,
    blobs: Object.fromEntries(image.blobs.map((blob) => [sha256(blob), blob])),
    beforeBlob: async (digest) => {
      if (digest !== image.manifest.layers[0]!.digest) return
      asked++
      await gate.promise
    },
  })
  const abort = new AbortController()
  const waiting = Promise.withResolvers<void>()
  const first = images.pull(scope, `${host}/x`, {
    progress: ({ status }) => status === 'Pulling fs layer' && waiting.resolve(),
    signal: abort.signal,
  })
  await waiting.promise
  const second = pull(images, `${host}/x`, other)
  const both = Promise.withResolvers<void>()
  const third = images.pull({ project: 'third' }, `${host}/x`, {
    progress: ({ status }) => status === 'Pulling fs layer' && both.resolve(),
    signal: AbortSignal.timeout(30_000),
  })
  await both.promise
  abort.abort()
  await assert.rejects(first, { kind: 'cancelled' })
  gate.resolve()
  await Promise.all([second, third])
  assert.equal(asked, 1)
  assert.deepEqual(await images.list(scope), [])
  assert.equal((await images.list(other)).length, 1)
  assert.deepEqual((await files()).temporary, [])
})
