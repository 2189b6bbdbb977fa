import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Served } from '../support/serve.ts'

const GiB = 2 ** 30

test('volumes are told with their sizes, users and snapshots, and changed', async () => {
  await using served = await Served.start()
  const { volumes } = served.cloud
  assert.equal(
    (await served.ask('POST', '/volumes/create', { Name: 'data', Labels: { a: 'b' } })).status,
    201,
  )
  const [told] = (await served.ask('GET', '/hb/v1/volumes')).json
  assert.deepEqual(
    { ...told, createdAt: '' },
    {
      ...{ name: 'data', anonymous: false, labels: { a: 'b' }, options: {}, createdAt: '' },
      ...{ sizeBytes: GiB, usedBytes: 1024, containers: [], attachments: [] },
    },
  )
  assert.equal((await served.ask('GET', '/hb/v1/volumes/data')).json.name, 'data')
  const grown = await served.ask('POST', '/hb/v1/volumes/data/grow', { sizeBytes: 2 * GiB })
  assert.deepEqual([grown.status, grown.json.sizeBytes], [200, 2 * GiB])
  const taken = await served.ask('POST', '/hb/v1/volumes/data/snapshots', { name: 'first' })
  assert.deepEqual([taken.status, taken.json.name, taken.json.usedBytes], [201, 'first', 512])
  assert.match(
    (await served.ask('POST', '/hb/v1/volumes/data/snapshots', {})).json.name,
    /^\d{8}-\d{6}-\d{3}$/,
  )
  assert.equal((await served.ask('GET', '/hb/v1/snapshots')).json.length, 2)
  assert.equal((await served.ask('POST', '/hb/v1/volumes/data/restore', { snapshot: 'first' })).status, 204)
  const cloned = await served.ask('POST', '/hb/v1/volumes/data/clone', { name: 'copy', snapshot: 'first' })
  assert.deepEqual([cloned.status, cloned.json.name], [201, 'copy'])
  assert.equal((await served.ask('DELETE', '/hb/v1/volumes/data/snapshots/first')).status, 204)
  assert.equal((await served.ask('GET', '/hb/v1/volumes/data/snapshots')).json.length, 1)
  assert.deepEqual(volumes.asked, [
    { grow: 'data', sizeBytes: 2 * GiB },
    { restore: 'data', snapshot: 'first' },
    { clone: 'data', name: 'copy', snapshot: 'first' },
  ])
})

test('what is not there, or makes no sense, is an error with its reason', async () => {
  await using served = await Served.start()
  const wrong: [method: string, path: string, body: unknown, status: number][] = [
    ['GET', '/hb/v1/volumes/nope', undefined, 404],
    ['GET', '/hb/v1/volumes/nope/snapshots', undefined, 404],
    ['POST', '/hb/v1/volumes/nope/snapshots', {}, 404],
    ['DELETE', '/hb/v1/volumes/nope/snapshots/x', undefined, 404],
    ['POST', '/hb/v1/volumes/nope/grow', { sizeBytes: 1 }, 404],
    ['POST', '/hb/v1/volumes/nope/grow', { sizeBytes: -1 }, 400],
    ['POST', '/hb/v1/volumes/nope/grow', { sizeBytes: '1G' }, 400],
    ['POST', '/hb/v1/volumes/nope/grow', {}, 400],
    ['GET', '/hb/v2/volumes', undefined, 404],
  ]
  for (const [method, path, body, status] of wrong) {
    const answer = await served.ask(method, path, body)
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    assert.equal(typeof answer.json.message, 'string')
  }
})
