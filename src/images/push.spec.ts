import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProgressLine, RegistryCredentials } from '../api/docker/backends.ts'
import { run } from '../lib/spawn.ts'
import { tar } from '../lib/support/tar.ts'
import type { Images } from './images.ts'
import { shortDigest } from './progress.ts'
import { serve } from './support/fake-registry.ts'
import { cat, imageFixture, importTar, other, scope } from './support/fixture.ts'
import { sha256, startRegistry } from './support/registry.ts'

const root = tar({ name: 'etc/', type: '5', mode: 0o755 }, { name: 'etc/os', data: 'ours' })
const signal = () => AbortSignal.timeout(30_000)

async function push(images: Images, name: string, credentials?: RegistryCredentials) {
  const lines: ProgressLine[] = []
  await images.push(scope, name, {
    ...(credentials ? { credentials } : {}),
    progress: (line) => lines.push(line),
    signal: signal(),
  })
  return lines
}

const said = (lines: readonly ProgressLine[]) =>
  lines
    .filter(({ status }) => status && status !== 'Pushing')
    .map(({ id, status }) => (id ? `${id}: ${status}` : `${status}`))

test('an image is pushed, told of in the words of dockerd, and pulled by another project and by skopeo', async (t) => {
  const [registry, { images, events }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const name = `${registry.host}/team/app:1`
  const id = await importTar(images, root, { reference: name, changes: ['CMD ["x"]'] })
  const lines = await push(images, name)
  const layer = shortDigest(sha256(root))
  const { digest, size } = /digest: (?<digest>\S+) size: (?<size>\d+)/.exec(said(lines).at(-1)!)!
    .groups as Record<string, string>
  assert.deepEqual(said(lines), [
    `The push refers to repository [${registry.host}/team/app]`,
    `${layer}: Preparing`,
    `${layer}: Pushed`,
    `1: digest: ${digest} size: ${size}`,
  ])
  assert.deepEqual(lines.at(-1), {
    progressDetail: {},
    aux: { Tag: '1', Digest: digest, Size: Number(size) },
  })
  assert.deepEqual((await images.get(scope, id)).digests, [`${registry.host}/team/app@${digest}`])
  assert.equal(events.at(-1)!.action, 'push')

  await images.pull(other, name, { progress() {}, signal: signal() })
  assert.equal((await images.resolve('other', name)).id, id)
  assert.equal(await cat(await images.blockImage(id), 'etc/os'), 'ours')
  const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`])
  assert.equal(JSON.parse(stdout).Digest, digest)

  assert.deepEqual(said(await push(images, name)).slice(1, 3), [
    `${layer}: Preparing`,
    `${layer}: Layer already exists`,
  ])
})

test('without a tag every tag of the repository is pushed, and layers are mounted from where the project has them', async (t) => {
  const [registry, { images }] = await Promise.all([startRegistry(t), imageFixture(t)])
  const image = await registry.putImage('origin:1', [root])
  await images.pull(scope, `${registry.host}/origin:1`, { progress() {}, signal: signal() })
  for (const tag of ['a', 'b']) await images.tag(scope, image.id, `${registry.host}/copy:${tag}`)
  const lines = said(await push(images, `${registry.host}/copy`))
  assert.ok(lines.includes(`${shortDigest(sha256(root))}: Mounted from origin`))
  const { stdout } = await run('skopeo', [
    'list-tags',
    '--tls-verify=false',
    `docker://${registry.host}/copy`,
  ])
  assert.deepEqual(JSON.parse(stdout).Tags.sort(), ['a', 'b'])
})

test('what cannot be pushed is told before anything is sent', async (t) => {
  const { images } = await imageFixture(t)
  await assert.rejects(push(images, 'localhost:1/nothing:1'), {
    kind: 'not_found',
    message: 'An image does not exist locally with the tag: localhost:1/nothing',
  })
  await assert.rejects(push(images, `localhost:1/x@${sha256('')}`), {
    message: 'cannot push a digest reference',
  })
})

test('a registry with passwords is pushed to, pulled from and logged in to with the right one only', async (t) => {
  const [registry, { images }] = await Promise.all([
    startRegistry(t, { password: ['ann', 'secret'] }),
    imageFixture(t),
  ])
  const name = `${registry.host}/app:1`
  await importTar(images, root, { reference: name })
  const right = { username: 'ann', password: 'secret', serverAddress: registry.host }
  const wrong = { ...right, password: 'guess' }
  await assert.rejects(push(images, name), {
    kind: 'unauthorized',
    message: 'unauthorized: authentication required',
  })
  await assert.rejects(push(images, name, wrong), { kind: 'unauthorized' })
  await assert.rejects(push(images, name, { ...right, serverAddress: 'elsewhere.example' }), {
    kind: 'unauthorized',
  })
  await push(images, name, right)
  await images.pull(other, name, { credentials: right, progress() {}, signal: signal() })

  assert.deepEqual(await images.login(right), { status: 'Login Succeeded', identityToken: '' })
  await assert.rejects(images.login(wrong), {
    kind: 'unauthorized',
    message: new RegExp(`^Get "http://${registry.host}/v2/": unauthorized`),
  })
})

test('the query that an upload came with is sent back as it was', async (t) => {
  const { images } = await imageFixture(t)
  const state = '_state=a%2Bb==&x=%20y'
  const seen: string[] = []
  const host = await serve(t, async (request, response) => {
    for await (const _ of request);
    const { method, url } = request
    if (method === 'HEAD') response.writeHead(404).end()
    else if (method === 'POST') response.writeHead(202, { location: `/v2/up?${state}` }).end()
    else if (method === 'PATCH') response.writeHead(202, { location: `http://${host}/v2/up?${state}` }).end()
    else if (method === 'PUT') {
      seen.push(url!)
      response.writeHead(201).end()
    } else response.end('{}')
  })
  await importTar(images, tar(), { reference: `${host}/x:1` })
  await push(images, `${host}/x:1`)
  assert.ok(
    seen.slice(0, -1).every((url) => url.startsWith(`/v2/up?${state}&digest=sha256%3A`)),
    String(seen),
  )
})
