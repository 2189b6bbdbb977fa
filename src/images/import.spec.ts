import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { imageDiskBytes } from '../lib/disks.ts'
import { tar } from '../lib/support/tar.ts'
import { cat, imageFixture, importTar, listing, other, scope } from './support/fixture.ts'

const root = tar(
  { name: 'bin/', type: '5', mode: 0o755 },
  { name: 'bin/sh', data: 'a shell', mode: 0o4755, uid: 1, gid: 2, mtime: 86_400 },
  { name: 'etc/passwd', data: 'root' },
)

test('an imported tar becomes an image that is found by its names and run from a block image', async (t) => {
  const { images, events } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'demo:1', changes: ['CMD ["/bin/sh"]', 'ENV A=b'] })
  for (const name of [
    'demo:1',
    'docker.io/library/demo:1',
    id,
    id.slice(7),
    id.slice(7, 19),
    id.slice(0, 15),
  ]) {
    assert.equal((await images.resolve('default', name)).id, id, name)
  }
  const { config } = await images.resolve('default', 'demo:1')
  assert.deepEqual(config.Cmd, ['/bin/sh'])
  assert.deepEqual(config.Env, ['A=b'])

  const path = await images.blockImage(id)
  assert.deepEqual(await listing(path), [
    'drwxr-xr-x 0/0 37 1970-01-01 00:00 ',
    'drwxr-xr-x 0/0 25 1970-01-01 00:00 /bin',
    '-rwsr-xr-x 1/2 7 1970-01-02 00:00 /bin/sh',
    'drwxr-xr-x 0/0 29 1970-01-01 00:00 /etc',
    '-rw-r--r-- 0/0 4 1970-01-01 00:00 /etc/passwd',
  ])
  assert.equal(await cat(path, 'bin/sh'), 'a shell')
  const { size, mode } = await stat(path)
  assert.equal(size, imageDiskBytes)
  assert.equal(mode & 0o777, 0o444)
  assert.deepEqual(
    events.map(({ action, attributes }) => [action, attributes.name]),
    [
      ['tag', 'demo:1'],
      ['import', id],
    ],
  )
})

test('gzip and zstd are undone; xz and bzip2 are refused with what to do', async (t) => {
  const { images, files } = await imageFixture(t)
  const ids = await Promise.all(
    [root, gzipSync(root), zstdCompressSync(root)].map((bytes) => importTar(images, bytes)),
  )
  const details = await Promise.all(ids.map((id) => images.get(scope, id)))
  assert.equal(new Set(details.map(({ layers }) => layers[0])).size, 1)
  assert.equal((await files()).blobs.length, 1)
  for (const [name, magic] of [
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ['bzip2', [0x42, 0x5a, 0x68, 0x39]],
  ] as const) {
    await assert.rejects(importTar(images, Buffer.from(magic)), {
      kind: 'invalid',
      message: `${name} compression is not supported: compress with gzip or zstd, or not at all`,
    })
  }
})

test('an image belongs to the project that imported it, and to no other', async (t) => {
  const { images } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'mine' })
  await assert.rejects(images.resolve('other', 'mine'), {
    kind: 'not_found',
    message: 'No such image: mine:latest',
  })
  await assert.rejects(images.resolve('other', id), { kind: 'not_found', message: `No such image: ${id}` })
  assert.deepEqual(await images.list(other), [])
})

test('what is told of an image is what was asked for and what is in it', async (t) => {
  const { images } = await imageFixture(t)
  await importTar(images, root, { reference: 'demo', changes: ['LABEL a=b c="d e"'] })
  const details = await images.get(scope, 'demo')
  assert.deepEqual(details.tags, ['demo:latest'])
  assert.deepEqual(details.labels, { a: 'b', c: 'd e' })
  assert.equal(details.size, 'a shell'.length + 'root'.length)
  assert.deepEqual(details.layers, [`sha256:${createHash('sha256').update(root).digest('hex')}`])
  assert.equal(details.history.length, 1)
  assert.equal(details.history[0]!.size, details.size)
  assert.equal(details.architecture, 'amd64')
  assert.ok(details.lastTaggedAt)
})

test('an import that fails or is cancelled leaves nothing', async (t) => {
  const { images, files } = await imageFixture(t)
  const abort = new AbortController()
  async function* endless() {
    yield root.subarray(0, 512)
    abort.abort()
    for (;;) yield Buffer.alloc(512)
  }
  const options = { message: '', changes: [], signal: abort.signal }
  await assert.rejects(images.import(scope, Readable.from(endless()), options), { name: 'AbortError' })
  await assert.rejects(importTar(images, root.subarray(0, 700)), /unexpected EOF/)
  await assert.rejects(importTar(images, root, { reference: 'Upper' }), /must be lowercase/)
  await assert.rejects(importTar(images, root, { changes: ['FROM x'] }), /from is not a valid change command/)
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
  assert.deepEqual(await images.list(scope), [])
})

test('an image without files has an empty root', async (t) => {
  const { images } = await imageFixture(t)
  const path = await images.blockImage(await importTar(images, tar()))
  assert.deepEqual(await listing(path), ['drwxr-xr-x 0/0 3 1970-01-01 00:00 '])
})

test('a block image that was lost is made again when it is asked for', async (t) => {
  const fixture = await imageFixture(t)
  const id = await importTar(fixture.images, root)
  const { rm } = await import('node:fs/promises')
  await rm(await fixture.images.blockImage(id))
  const [one, two] = await Promise.all([fixture.images.blockImage(id), fixture.images.blockImage(id)])
  assert.equal(one, two)
  assert.equal(await cat(one, 'bin/sh'), 'a shell')
})

test('the next daemon finds its images, and takes away what was left half-made', async (t) => {
  const { images, directory, reopen, files } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'demo' })
  const { writeFile } = await import('node:fs/promises')
  await writeFile(`${directory}/temporary/left`, 'x')
  await writeFile(`${directory}/blobs/${'0'.repeat(64)}`, 'x')
  await writeFile(`${directory}/block/making-x`, 'x')
  const next = await reopen()
  assert.equal((await next.resolve('default', 'demo')).id, id)
  assert.equal(await cat(await next.blockImage(id), 'etc/passwd'), 'root')
  const left = await files()
  assert.deepEqual([left.blobs.length, left.blocks.length, left.temporary.length], [1, 1, 0])
})
