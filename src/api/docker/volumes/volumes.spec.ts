import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Served } from '../../support/serve.ts'

async function served() {
  const door = await Served.start()
  await door.ask('POST', '/volumes/create', {
    Name: 'data',
    Labels: { tier: 'db' },
    DriverOpts: { size: '1G' },
  })
  await door.ask('POST', '/volumes/create', { Name: 'date' })
  await door.ask('POST', '/volumes/create', {})
  const { volumes } = door.cloud
  volumes.volumes[0] = { ...volumes.volumes[0]!, containers: ['c'.repeat(64)] }
  return door
}

test('a volume is told as dockerd tells it', async () => {
  await using door = await served()
  const { CreatedAt, ...told } = (await door.ask('GET', '/v1.41/volumes/data')).json
  assert.match(CreatedAt, /^\d{4}-\d\d-\d\dT/)
  assert.deepEqual(told, {
    ...{ Driver: 'local', Labels: { tier: 'db' }, Mountpoint: '', Name: 'data', Options: { size: '1G' } },
    Scope: 'local',
  })
  const { json } = await door.ask('GET', '/volumes/date')
  assert.deepEqual([json.Labels, json.Options], [null, null])
  const missing = await door.ask('GET', '/volumes/nope')
  assert.deepEqual([missing.status, missing.json.message], [404, 'get nope: no such volume'])
})

test('a list is filtered as by dockerd', async () => {
  await using door = await served()
  const named = async (filters: object) => {
    const { json } = await door.ask('GET', `/volumes?filters=${encodeURIComponent(JSON.stringify(filters))}`)
    return json.Volumes?.map(({ Name }: { Name: string }) => Name.slice(0, 4)) ?? json.message
  }
  assert.equal((await named({})).length, 3)
  assert.deepEqual(await named({ dangling: ['false'] }), ['data'])
  assert.equal((await named({ dangling: ['true'] })).length, 2)
  assert.deepEqual(await named({ name: ['^dat'] }), ['data', 'date'])
  assert.deepEqual(await named({ label: ['tier=db'] }), ['data'])
  assert.equal((await named({ label: ['com.docker.volume.anonymous'] })).length, 1)
  assert.deepEqual(await named({ driver: ['loc'] }), [])
  assert.equal(await named({ dangling: ['maybe'] }), "invalid filter 'dangling=[maybe]'")
  assert.equal(await named({ foo: ['x'] }), "invalid filter 'foo'")
})

test('prune takes what nobody uses: of old clients all, of new ones anonymous ones unless all is said', async () => {
  for (const [path, left] of [
    ['/v1.41/volumes/prune', ['data']],
    ['/v1.42/volumes/prune', ['data', 'date']],
    [`/v1.42/volumes/prune?filters=${encodeURIComponent('{"all":["true"]}')}`, ['data']],
    [`/v1.41/volumes/prune?filters=${encodeURIComponent('{"label":["none"]}')}`, null],
  ] as const) {
    await using door = await served()
    const { status, json } = await door.ask('POST', path)
    const names = door.cloud.volumes.volumes.map(({ name }) => name)
    assert.equal(status, 200)
    assert.equal(json.VolumesDeleted.length, 3 - names.length)
    assert.equal(json.SpaceReclaimed, 1024 * (3 - names.length))
    if (left) assert.deepEqual(names, left, path)
    else assert.equal(names.length, 3)
  }
})

test('removal with force forgives what is missing, and nothing else', async () => {
  await using door = await served()
  const remove = async (path: string) => (await door.ask('DELETE', path)).status
  assert.equal(await remove('/volumes/nope'), 404)
  assert.equal(await remove('/volumes/nope?force=1'), 204)
  assert.equal(await remove('/volumes/data?force=1'), 409)
  assert.equal(await remove('/volumes/date'), 204)
})

test('volumes of clusters are refused', async () => {
  await using door = await served()
  for (const answer of [
    await door.ask('PUT', '/volumes/data?version=1', { Spec: {} }),
    await door.ask('POST', '/volumes/create', { Name: 'x', ClusterVolumeSpec: {} }),
  ]) {
    assert.equal(answer.status, 503)
    assert.match(answer.json.message, /swarm/)
  }
})

test('use of disk tells of each volume what it takes and who names it', async () => {
  await using door = await served()
  const { json } = await door.ask('GET', '/system/df')
  assert.deepEqual(
    json.Volumes.map(({ UsageData }: { UsageData: unknown }) => UsageData),
    [1, 0, 0].map((RefCount) => ({ RefCount, Size: 1024 })),
  )
})
