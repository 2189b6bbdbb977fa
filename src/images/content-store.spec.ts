import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { ContentStore } from './content-store.ts'

async function storeIn(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'hb-content-'))
  t.after(() => rm(directory, { recursive: true }))
  const store = new ContentStore(directory, async () => false)
  await store.start([])
  const left = async () => {
    const names = await Promise.all(['blobs', 'temporary'].map((name) => readdir(join(directory, name))))
    return names.map((list) => list.length)
  }
  return { store, left }
}

const content = Buffer.from('content')
const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
const source = () => Readable.from([content])

test('a blob is in its place when its storing is answered, however slow the disk is', async (t) => {
  const { store, left } = await storeIn(t)
  const file = await open('/dev/null')
  const handles = Object.getPrototypeOf(file) as typeof file
  await file.close()
  const sync = handles.sync
  t.mock.method(handles, 'sync', async function (this: typeof file) {
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    await sync.call(this)
  })
  assert.deepEqual(await store.store(source(), { digest, bytesMax: 100 }), { digest, bytes: content.length })
  assert.deepEqual(await buffer(store.read(digest)), content)
  assert.deepEqual(await left(), [1, 0])
})

test('what is too large, or not what was expected, leaves nothing', async (t) => {
  const { store, left } = await storeIn(t)
  await assert.rejects(store.store(source(), { bytesMax: 3 }), { code: 'blob_too_large' })
  const other = `sha256:${'0'.repeat(64)}`
  await assert.rejects(store.store(source(), { digest: other, bytesMax: 100 }), { code: 'digest_mismatch' })
  assert.deepEqual(await left(), [0, 0])
})

test('a blob that is held stays until nobody holds it', async (t) => {
  const { store, left } = await storeIn(t)
  await store.store(source(), { bytesMax: 100 })
  const [one, two] = [store.hold([digest]), store.hold([])]
  two.add(digest)
  await one[Symbol.asyncDispose]()
  await store.collect(digest)
  assert.deepEqual(await left(), [1, 0])
  await two[Symbol.asyncDispose]()
  assert.deepEqual(await left(), [0, 0])
})
