import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Served } from '../../support/serve.ts'

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')

test('what clients ask of a build reaches the builder, the context as it was sent', async () => {
  await using served = await Served.start()
  const query = new URLSearchParams([
    ['t', 'a:1'],
    ['t', 'b'],
    ['dockerfile', 'sub/Dockerfile'],
    // As the docker command, python's client and dockerode spell it.
    ['rm', '1'],
    ['forcerm', 'True'],
    ['nocache', 'true'],
    ['pull', ''],
    ['q', '0'],
    ['target', 'x'],
    ['buildargs', '{"A":"1","B":null}'],
    ['labels', '{"l":"m"}'],
    ['cachefrom', '["c"]'],
    ['networkmode', 'none'],
    ['extrahosts', 'h:1.2.3.4'],
    ['memory', '67108864'],
    ['memswap', '-1'],
    ['cpuquota', '50000'],
    ['ulimits', '[{"Name":"nofile","Soft":10,"Hard":20}]'],
    ['platform', 'linux/amd64'],
    ['version', '1'],
  ])
  const credentials = base64({ 'https://index.docker.io/v1/': { username: 'u', password: 'p' }, other: {} })
  const answer = await served.ask('POST', `/build?${query}`, 'a tar', {
    'Content-Type': 'application/x-tar',
    'X-Registry-Config': credentials,
  })
  assert.equal(answer.status, 200)
  const { request, content } = served.cloud.builds.built[0]!
  assert.equal(content, 'a tar')
  const { container, ...rest } = request
  assert.deepEqual(rest, {
    dockerfile: 'sub/Dockerfile',
    tags: ['a:1', 'b'],
    quiet: false,
    noCache: true,
    pull: false,
    remove: true,
    forceRemove: true,
    target: 'x',
    args: { A: '1', B: null },
    labels: { l: 'm' },
    credentials: { 'https://index.docker.io/v1/': { username: 'u', password: 'p' } },
    id: '',
  })
  assert.deepEqual(
    [container.extraHosts, container.memoryBytes, container.cpuQuotaUs, container.ulimits],
    [['h:1.2.3.4'], 67108864, 50000, [{ name: 'nofile', soft: 10, hard: 20 }]],
  )
})

test('what cannot be is refused before the context is looked at', async () => {
  await using served = await Served.start()
  const cases: [query: string, status: number, message: RegExp][] = [
    ['version=2', 501, /BuildKit is not supported/],
    ['remote=https://x/y.git', 501, /the daemon fetches nothing/],
    ['remote=client-session', 501, /BuildKit is not supported/],
    ['squash=1', 501, /squash is not supported/],
    ['securityopt=seccomp=unconfined', 501, /security options/],
    ['networkmode=host', 400, /./],
    ['networkmode=nosuch', 404, /network nosuch not found/],
    ['memory=1', 400, /Minimum memory limit/],
    ['memory=x', 400, /not an integer/],
    ['buildargs={', 400, /buildargs is not the JSON/],
    ['buildargs=[1]', 400, /buildargs is not the JSON/],
    ['labels={"a":1}', 400, /labels is not the JSON/],
    ['ulimits=[{"Name":"nosuch","Soft":1,"Hard":1}]', 400, /invalid ulimit type/],
    ['platform=linux/arm64', 404, /linux\/arm64/],
    ['isolation=hyperv', 400, /isolation/],
  ]
  for (const [query, status, message] of cases) {
    const answer = await served.ask('POST', `/build?${query}`, 'x')
    if (status !== 400 || query !== 'networkmode=host')
      assert.equal(answer.status, status, `${query}: ${answer.text}`)
    assert.ok(answer.status >= 400, query)
    assert.match(answer.json.message, message, query)
  }
  assert.equal(served.cloud.builds.built.length, 0)
})

test('a failure before the first line is a status, after it a last line with the exit code', async () => {
  await using served = await Served.start()
  const early = await served.ask('POST', '/build?target=nosuch', 'x')
  assert.deepEqual(
    [early.status, early.json.message],
    [400, 'failed to reach build target nosuch in Dockerfile'],
  )
  const late = await served.ask('POST', '/build?target=fails', 'x')
  const lines = late.text
    .trim()
    .split('\r\n')
    .map((line) => JSON.parse(line))
  const message = "The command 'x' returned a non-zero code: 3"
  assert.deepEqual(lines, [
    { stream: 'Step 1/1 : FROM busybox\n' },
    { errorDetail: { message, code: 3 }, error: message },
  ])
})

test('a build is cancelled by the name that its client gave it', async () => {
  await using served = await Served.start()
  assert.equal((await served.ask('POST', '/build/cancel')).status, 400)
  assert.equal((await served.ask('POST', '/build/cancel?id=mine')).status, 200)
  assert.deepEqual(served.cloud.builds.cancelled, ['mine'])
})

test('steps are shown as build cache, and forgotten when they are pruned', async () => {
  await using served = await Served.start()
  const [image, other] = served.cloud.images.images
  served.cloud.images.images[1] = { ...other!, tags: [], digests: [] }
  const step = (id: string) => ({
    ...{ parent: '', key: id, image: id, description: 'COPY', uses: 2 },
    ...{ createdAt: new Date(1000), usedAt: new Date(2000) },
  })
  served.cloud.builds.known = [step(image!.id), step(other!.id)]
  const { BuildCache } = (await served.ask('GET', '/system/df')).json
  assert.deepEqual(BuildCache[0], {
    ID: image!.id.slice(7, 19),
    Type: 'regular',
    Description: 'COPY',
    InUse: true,
    Shared: true,
    Size: image!.size,
    CreatedAt: '1970-01-01T00:00:01Z',
    LastUsedAt: '1970-01-01T00:00:02Z',
    UsageCount: 2,
  })
  assert.equal(BuildCache[1].InUse, false)
  const prune = async (query: string) => (await served.ask('POST', `/build/prune${query}`)).json
  assert.deepEqual(await prune(''), { CachesDeleted: [other!.id.slice(7, 19)], SpaceReclaimed: 0 })
  assert.deepEqual(await prune(''), { CachesDeleted: null, SpaceReclaimed: 0 })
  assert.deepEqual((await prune('?all=1')).CachesDeleted, [image!.id.slice(7, 19)])
})
