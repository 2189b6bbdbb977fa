import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tar } from '../lib/support/tar.ts'
import { imageFixture, importTar, other, scope } from './support/fixture.ts'
import { sha256 } from './support/registry.ts'

const root = tar({ name: 'a', data: 'b' })
const unused = { force: false, usedBy: () => [] }
const container = { id: 'c'.repeat(64), running: false }
const stopped = { force: false, usedBy: () => [container] }
const running = { force: false, usedBy: () => [{ ...container, running: true }] }

test('the last tag takes the image with it, its layers and its block image', async (t) => {
  const { images, events, files } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'one:1' })
  await images.tag(scope, 'one:1', 'two:2')
  assert.deepEqual(await images.remove(scope, 'one:1', unused), [{ untagged: 'one:1' }])
  await assert.rejects(images.resolve('default', 'one:1'), { kind: 'not_found' })
  assert.deepEqual(await images.remove(scope, 'two:2', unused), [
    { untagged: 'two:2' },
    { deleted: id },
    { deleted: sha256(root) },
  ])
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
  await assert.rejects(images.blockImage(id), { kind: 'not_found' })
  assert.deepEqual(
    events.map(({ action }) => action),
    ['tag', 'import', 'tag', 'untag', 'untag', 'delete'],
  )
})

test('by id, an image of one repository goes with its name, and one of several only by force', async (t) => {
  const { images } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'one:1' })
  await images.tag(scope, id, 'two:2')
  await assert.rejects(images.remove(scope, id, unused), {
    kind: 'conflict',
    message: `conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
  })
  const removed = await images.remove(scope, id.slice(7, 20), { ...unused, force: true })
  assert.deepEqual(removed.slice(0, 3), [{ untagged: 'one:1' }, { untagged: 'two:2' }, { deleted: id }])
})

test('an image that containers use is kept, in the words of dockerd', async (t) => {
  const { images } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'one:1' })
  const short = id.slice(7, 19)
  const user = 'c'.repeat(12)
  const message = `conflict: unable to remove repository reference "one:1" (must force) - container ${user} is using its referenced image ${short}`
  for (const options of [stopped, running])
    await assert.rejects(images.remove(scope, 'one:1', options), { kind: 'conflict', message })
  await assert.rejects(images.remove(scope, id, stopped), {
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${user}`,
  })
  for (const force of [false, true]) {
    await assert.rejects(images.remove(scope, id, { ...running, force }), {
      message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${user}`,
    })
  }
  // The name of a running container's image may be taken away by force; the image stays.
  assert.deepEqual(await images.remove(scope, 'one:1', { ...running, force: true }), [{ untagged: 'one:1' }])
  assert.equal((await images.get(scope, id)).tags.length, 0)
})

test('an image removed by force is out of sight, and stays for its stopped containers until they are gone', async (t) => {
  const { images, files } = await imageFixture(t)
  const id = await importTar(images, root, { reference: 'one:1' })
  assert.deepEqual(await images.remove(scope, 'one:1', { ...stopped, force: true }), [
    { untagged: 'one:1' },
    { deleted: id },
  ])
  assert.deepEqual(await images.list(scope), [])
  await assert.rejects(images.resolve('default', id), { kind: 'not_found' })
  assert.ok(await images.blockImage(id))
  await images.prune(scope, { danglingOnly: true, used: () => true, matches: () => true })
  assert.equal((await files()).blocks.length, 1)
  await images.prune(scope, { danglingOnly: true, used: () => false, matches: () => true })
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
})

test('what two images share stays until the second is gone, and so does what another project has', async (t) => {
  const { images, files } = await imageFixture(t)
  await importTar(images, root, { reference: 'one' })
  await importTar(images, root, { reference: 'two', changes: ['CMD x'] })
  assert.equal((await files()).blobs.length, 1)
  assert.equal((await images.remove(scope, 'one', unused)).length, 2)
  assert.deepEqual([(await files()).blobs.length, (await files()).blocks.length], [1, 1])

  const { Readable } = await import('node:stream')
  const archive = await Array.fromAsync(await images.save(scope, ['two']))
  await images.load(other, Readable.from(archive), { progress() {}, signal: AbortSignal.timeout(30_000) })
  await images.remove(scope, 'two', unused)
  assert.equal((await files()).blobs.length, 1)
  assert.deepEqual(
    (await images.list(other)).map(({ tags }) => tags),
    [['two:latest']],
  )
  await images.remove(other, 'two', unused)
  assert.equal((await files()).blobs.length, 0)
})

test('pruning takes what has no tag, or all that is unused, and says how much that gave', async (t) => {
  const { images } = await imageFixture(t)
  const dangling = await importTar(images, root)
  const tagged = await importTar(images, root, { reference: 'tagged', changes: ['CMD x'] })
  const used = await importTar(images, tar({ name: 'z', data: 'z'.repeat(9000) }), { reference: 'used' })
  const first = await images.prune(scope, { danglingOnly: true, used: () => false, matches: () => true })
  assert.deepEqual(first, { removed: [{ deleted: dangling }], bytes: 0 })
  const none = await images.prune(scope, { danglingOnly: false, used: () => false, matches: () => false })
  assert.deepEqual(none.removed, [])
  const second = await images.prune(scope, {
    danglingOnly: false,
    used: (id) => id === used,
    matches: () => true,
  })
  assert.deepEqual(second.removed, [
    { untagged: 'tagged:latest' },
    { deleted: tagged },
    { deleted: sha256(root) },
  ])
  assert.ok(second.bytes >= root.length)
  assert.deepEqual(
    (await images.list(scope)).map(({ id }) => id),
    [used],
  )
})

test('what is used is the bytes of layers and block images, each once', async (t) => {
  const { images } = await imageFixture(t)
  assert.equal((await images.usage(scope)).bytes, 0)
  await importTar(images, root, { reference: 'one' })
  const { bytes } = await images.usage(scope)
  await importTar(images, root, { reference: 'two', changes: ['CMD x'] })
  const both = await images.usage(scope)
  assert.equal(both.bytes, bytes)
  const each = { bytes, shared: bytes }
  assert.deepEqual([...both.images.values()], [each, each], 'of two that are the same, all is shared')
  assert.ok(bytes > root.length)
  assert.equal((await images.usage(other)).bytes, 0)
})

test('names are found by prefix of the id if it is one image only', async (t) => {
  const { images } = await imageFixture(t)
  const ids = []
  for (let i = 0; i < 17; i++) ids.push(await importTar(images, root, { changes: [`ENV N=${i}`] }))
  const byFirst = Map.groupBy(ids, (id) => id[7])
  const [, twins] = [...byFirst].find(([, same]) => same.length > 1)!
  await assert.rejects(images.resolve('default', twins[0]!.slice(7, 8)), { code: 'ambiguous_id' })
  await assert.rejects(images.resolve('default', 'sha256:g'), {
    kind: 'not_found',
    message: 'No such image: sha256:g',
  })
  await assert.rejects(images.resolve('default', 'f'.repeat(64)), {
    message: `No such image: sha256:${'f'.repeat(64)}`,
  })
  await assert.rejects(images.tag(scope, ids[0]!, 'a@sha256:'.concat('f'.repeat(64))), /digest reference/)
})
