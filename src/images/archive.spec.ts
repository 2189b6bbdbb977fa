import assert from 'node:assert/strict'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { ProgressLine } from '../api/docker/backends.ts'
import { run } from '../lib/spawn.ts'
import { type TestEntry, tar } from '../lib/support/tar.ts'
import type { Images } from './images.ts'
import { mediaTypes } from './registry/manifest.ts'
import { cat, imageFixture, importTar, other, scope } from './support/fixture.ts'
import { makeImage, sha256, startRegistry } from './support/registry.ts'

const base = tar({ name: 'etc/', type: '5', mode: 0o755 }, { name: 'etc/os', data: 'base' })
const upper = tar({ name: 'etc/os', data: 'upper' })

async function load(images: Images, archive: Buffer | Readable, project = scope) {
  const lines: ProgressLine[] = []
  const source = Buffer.isBuffer(archive) ? Readable.from([archive]) : archive
  await images.load(project, source, {
    progress: (line) => lines.push(line),
    signal: AbortSignal.timeout(60_000),
  })
  return lines.flatMap(({ stream }) => (typeof stream === 'string' ? [stream] : []))
}

/** As `docker save` of old: a folder for each layer, and a link for one that is there already. */
function dockerArchive(layers: Buffer[], tags: string[] | null, extra: TestEntry[] = []) {
  const { config, id } = makeImage(layers, { compress: (bytes) => bytes })
  const manifest = [
    { Config: 'config.json', RepoTags: tags, Layers: layers.map((_, i) => `l${i}/layer.tar`) },
  ]
  const entries: TestEntry[] = layers.flatMap((data, i) => [
    { name: `l${i}/`, type: '5' },
    { name: `l${i}/layer.tar`, data },
  ])
  return {
    id,
    archive: tar(...entries, { name: 'config.json', data: config }, ...extra, {
      name: 'manifest.json',
      data: JSON.stringify(manifest),
    }),
  }
}

function ociArchive(
  layers: Buffer[],
  name: string | undefined,
  options: Parameters<typeof makeImage>[1] = {},
) {
  const { manifest, blobs, id } = makeImage(layers, { layerType: mediaTypes.ociLayerGzip, ...options })
  const body = JSON.stringify({
    ...manifest,
    mediaType: mediaTypes.ociManifest,
    config: { ...manifest.config, mediaType: mediaTypes.ociConfig },
  })
  const annotations = name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }
  const entry = { mediaType: mediaTypes.ociManifest, digest: sha256(body), size: body.length, ...annotations }
  const files = [...blobs, Buffer.from(body)].map((data) => ({
    name: `blobs/sha256/${sha256(data).slice(7)}`,
    data,
  }))
  const index = { name: 'index.json', data: JSON.stringify({ schemaVersion: 2, manifests: [entry] }) }
  return {
    id,
    files,
    index,
    archive: tar({ name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' }, index, ...files),
  }
}

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'hb-archive-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

test("an archive of docker's is loaded, whatever compression is round it", async (t) => {
  const { images, events, files } = await imageFixture(t)
  const { id, archive } = dockerArchive([base, upper], ['demo:1', 'other/name:2'])
  for (const bytes of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
    assert.deepEqual(await load(images, bytes), ['Loaded image: demo:1\n', 'Loaded image: other/name:2\n'])
  }
  assert.equal((await images.resolve('default', 'demo:1')).id, id)
  assert.equal(await cat(await images.blockImage(id), 'etc/os'), 'upper')
  assert.deepEqual(new Set(events.map(({ action }) => action)), new Set(['load']))
  assert.deepEqual((await files()).temporary, [])
})

test('layers that are links to others are found, and links that lead nowhere are an error', async (t) => {
  const { images } = await imageFixture(t)
  const { config } = makeImage([base, base])
  const entries = (link: string) =>
    tar(
      { name: 'a/layer.tar', data: base },
      { name: 'b/layer.tar', type: '2', link },
      { name: 'c.json', data: config },
      {
        name: 'manifest.json',
        data: JSON.stringify([{ Config: 'c.json', Layers: ['a/layer.tar', 'b/layer.tar'] }]),
      },
    )
  assert.deepEqual(await load(images, entries('../a/layer.tar')), [`Loaded image ID: ${sha256(config)}\n`])
  for (const link of ['../b/layer.tar', '/etc/passwd', '../../../../etc/passwd', 'layer.tar']) {
    await assert.rejects(load(images, entries(link), other), /which is not in it/, link)
  }
})

test('an OCI layout is loaded, with its name if it has a whole one', async (t) => {
  const { images } = await imageFixture(t)
  for (const [name, said] of [
    ['docker.io/library/demo:3', 'Loaded image: demo:3\n'],
    ['3', undefined],
    [undefined, undefined],
  ] as const) {
    const { id, archive } = ociArchive([base], name)
    assert.deepEqual(await load(images, archive), [said ?? `Loaded image ID: ${id}\n`])
  }
})

test('a tag that another image had is moved, and that is told', async (t) => {
  const { images } = await imageFixture(t)
  const old = dockerArchive([base], ['demo:1'])
  await load(images, old.archive)
  assert.deepEqual(await load(images, dockerArchive([upper], ['demo:1']).archive), [
    `The image demo:1 already exists, renaming the old one with ID ${old.id} to empty string\n`,
    'Loaded image: demo:1\n',
  ])
})

test('an archive that is not what it says is refused, and nothing of it stays', async (t) => {
  const { images, files } = await imageFixture(t)
  const oci = ociArchive([base], 'demo:1')
  const changed = oci.files.map((file, i) => (i === 0 ? { ...file, data: gzipSync(upper) } : file))
  const cases: [what: string, archive: Buffer, error: RegExp][] = [
    ['no image at all', tar({ name: 'etc/os', data: 'x' }), /neither manifest.json nor index.json/],
    ['cut off', dockerArchive([base], null).archive.subarray(0, 2000), /unexpected EOF/],
    ['a blob with other contents', tar(oci.index, ...changed), /verification failed|bytes, not/],
    ['a blob that is missing', tar(oci.index, ...oci.files.slice(1)), /which is not in it/],
    [
      'a wrong diff id',
      ociArchive([base], 'x:1', { diffIds: [sha256(upper)] }).archive,
      /don't match image configuration/,
    ],
    [
      'too few diff ids',
      ociArchive([base, upper], 'x:1', { diffIds: [sha256(base)] }).archive,
      /don't match image configuration/,
    ],
    ['a name out of the archive', tar({ name: '../manifest.json', data: '[]' }), /leads out of the image/],
    [
      'a configuration outside',
      tar({ name: 'manifest.json', data: '[{"Config":"../../etc/passwd"}]' }),
      /leads out of the image/,
    ],
    ['no JSON', tar({ name: 'manifest.json', data: '{' }), /not JSON/],
    ['no images', tar({ name: 'manifest.json', data: '[]' }), /cannot be loaded/],
    ['a bad name', dockerArchive([base], ['Demo:1']).archive, /must be lowercase/],
    [
      'a sparse layer file',
      tar({
        name: 'manifest.json',
        pax: [
          ['GNU.sparse.size', '9'],
          ['GNU.sparse.map', '8,1'],
        ],
        data: 'x',
      }),
      /sparse/,
    ],
  ]
  for (const [what, archive, error] of cases) await assert.rejects(load(images, archive), error, what)
  assert.deepEqual(await images.list(scope), [])
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
})

test('what is saved is loaded again with its names and history, here and by skopeo, as both layouts', async (t) => {
  const [registry, { images }, directory] = await Promise.all([
    startRegistry(t),
    imageFixture(t),
    temporary(t),
  ])
  const zstd = ociArchive([base, upper], 'zstd:1', {
    compress: (bytes) => zstdCompressSync(bytes),
    layerType: mediaTypes.ociLayerZstd,
  })
  await load(images, zstd.archive)
  const gzip = ociArchive([base], 'gzip:1', { config: { Env: ['A=b'] } })
  await load(images, gzip.archive)
  const plain = await importTar(images, base, { reference: 'plain:1' })

  const file = join(directory, 'saved.tar')
  await pipeline(await images.save(scope, ['zstd:1', 'gzip:1', 'plain:1', plain]), createWriteStream(file))
  const names = await load(images, createReadStream(file), other)
  assert.deepEqual(
    names,
    ['zstd:1', 'gzip:1', 'plain:1'].map((name) => `Loaded image: ${name}\n`),
  )
  for (const name of ['zstd:1', 'gzip:1', 'plain:1']) {
    assert.deepEqual((await images.get(other, name)).history, (await images.get(scope, name)).history)
  }

  for (const [i, source] of [`docker-archive:${file}:gzip:1`, `docker-archive:${file}:zstd:1`].entries()) {
    const target = `${registry.host}/copied:${i}`
    await run('skopeo', [
      '--insecure-policy',
      'copy',
      '--dest-tls-verify=false',
      source,
      `docker://${target}`,
    ])
    await images.pull(scope, target, { progress() {}, signal: AbortSignal.timeout(30_000) })
    assert.equal(
      await cat(await images.blockImage((await images.resolve('default', target)).id), 'etc/os'),
      ['base', 'upper'][i],
    )
  }
  const one = join(directory, 'one.tar')
  await pipeline(await images.save(scope, ['zstd:1']), createWriteStream(one))
  await run('skopeo', [
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    `oci-archive:${one}`,
    `docker://${registry.host}/copied:oci`,
  ])
  await images.pull(scope, `${registry.host}/copied:oci`, {
    progress() {},
    signal: AbortSignal.timeout(30_000),
  })
  assert.equal((await images.resolve('default', `${registry.host}/copied:oci`)).id, zstd.id)
})

test("skopeo's archives of both kinds are loaded", async (t) => {
  const [registry, { images }, directory] = await Promise.all([
    startRegistry(t),
    imageFixture(t),
    temporary(t),
  ])
  const { id } = await registry.putImage('demo:1', [base, upper])
  for (const kind of ['docker-archive', 'oci-archive']) {
    const file = join(directory, `${kind}.tar`)
    const target = `${kind}:${file}:docker.io/library/${kind}:1`
    await run('skopeo', [
      '--insecure-policy',
      'copy',
      '--src-tls-verify=false',
      `docker://${registry.host}/demo:1`,
      target,
    ])
    assert.deepEqual(await load(images, await readFile(file)), [`Loaded image: ${kind}:1\n`])
    const found = (await images.resolve('default', `${kind}:1`)).id
    assert.equal(await cat(await images.blockImage(found), 'etc/os'), 'upper')
    if (kind === 'docker-archive') assert.equal(found, id)
  }
})

test('an image that is not there fails before an archive is begun', async (t) => {
  const { images } = await imageFixture(t)
  await assert.rejects(images.save(scope, ['nothing']), {
    kind: 'not_found',
    message: 'No such image: nothing:latest',
  })
})
