import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fakeCloud } from '../../support/fake-backends.ts'
import { fakeImage, imageId } from '../../support/samples.ts'
import { Served } from '../../support/serve.ts'
import { imagePruneOptions, selectImages } from './images.filter.ts'
import { historyJson, imageJson, imageSummaryJson } from './images.present.ts'
import { joinReference, matchesReference, namesAllTags } from './references.ts'
import { readRegistryAuth } from './registry-auth.ts'

test('image and tag become one reference, whatever the client put where', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  for (const [image, tag, reference, all] of [
    ['alpine', '3', 'alpine:3', false],
    ['alpine', '', 'alpine', true],
    ['alpine:3', '', 'alpine:3', false],
    ['localhost:5000/a', '', 'localhost:5000/a', true],
    ['localhost:5000/a', 'b', 'localhost:5000/a:b', false],
    ['alpine', digest, `alpine@${digest}`, false],
    [`alpine@${digest}`, digest, `alpine@${digest}`, false],
    [`alpine@${digest}`, '', `alpine@${digest}`, false],
  ] as const) {
    assert.equal(joinReference(image, tag), reference)
    assert.equal(namesAllTags(image, tag), all)
  }
  for (const tag of ['a b', '/', '.a', 'a:b'])
    assert.throws(() => joinReference('x', tag), { kind: 'invalid' })
})

test('patterns of references match the name, with the tag or without', () => {
  for (const [pattern, reference, matches] of [
    ['busybox', 'busybox:latest', true],
    ['busy*', 'busybox:latest', true],
    ['busybox:1*', 'busybox:latest', false],
    ['*:latest', 'busybox:latest', true],
    ['docker.io/library/busybox', 'busybox:latest', true],
    ['*', 'localhost:5000/a:1', false],
    ['localhost:5000/*', 'localhost:5000/a:1', true],
    ['*/*', 'localhost:5000/a:1', true],
    ['b', 'busybox:latest', false],
    ['', 'busybox:latest', false],
  ] as const) {
    assert.equal(matchesReference(pattern, reference), matches, pattern)
  }
  const letters = (of: string[]) =>
    fc.array(fc.constantFrom(...of), { maxLength: 8 }).map((list) => list.join(''))
  fc.assert(
    fc.property(letters(['a', 'b', '*', '?', '/']), letters(['a', 'b', '/']), (pattern, text) => {
      const source = pattern.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')
      assert.equal(
        matchesReference(pattern, text),
        new RegExp(`^${source}$`).test(text),
        `${pattern} on ${text}`,
      )
    }),
  )
})

test('credentials are read from every form of the header', () => {
  const header = (value: object, encoding: 'base64' | 'base64url' = 'base64url') => ({
    'x-registry-auth': Buffer.from(JSON.stringify(value)).toString(encoding),
  })
  assert.equal(readRegistryAuth({}), undefined)
  assert.equal(readRegistryAuth({ 'x-registry-auth': 'e30=' }), undefined)
  const login = { username: 'ü?>', password: 'p', serveraddress: 's' }
  for (const encoding of ['base64', 'base64url'] as const) {
    assert.deepEqual(readRegistryAuth(header(login, encoding)), {
      username: 'ü?>',
      password: 'p',
      serverAddress: 's',
    })
  }
  assert.deepEqual(readRegistryAuth(header({ auth: Buffer.from('u:p:q').toString('base64') })), {
    username: 'u',
    password: 'p:q',
  })
  assert.deepEqual(readRegistryAuth(header({ identitytoken: 't', registrytoken: 'r' })), {
    identityToken: 't',
    registryToken: 'r',
  })
  for (const unreadable of ['x', 'bnVsbA==', 'W10=']) {
    assert.equal(readRegistryAuth({ 'x-registry-auth': unreadable }), undefined)
  }
})

test('images are shown as each version of the API had them', () => {
  const image = fakeImage(1, [], { labels: { a: 'b' } })
  assert.deepEqual(imageSummaryJson(image, -1, '1.42').RepoTags, ['<none>:<none>'])
  assert.deepEqual(imageSummaryJson(image, -1, '1.43').RepoTags, [])
  assert.equal((imageSummaryJson(image, -1, '1.43') as { VirtualSize?: number }).VirtualSize, 1000)
  assert.equal('VirtualSize' in imageSummaryJson(image, -1, '1.44'), false)
  const whole = imageJson(fakeImage(2, ['a:1']), '1.50')
  assert.deepEqual(whole.ContainerConfig, whole.Config)
  assert.deepEqual([whole.Id, whole.RepoTags, whole.RootFS.Type], [imageId(2), ['a:1'], 'layers'])
  assert.equal(whole.Metadata.LastTagTime, '0001-01-01T00:00:00Z')
})

test('history begins with the newest step', () => {
  const [newest, oldest] = historyJson(fakeImage(1, ['a:1']))
  assert.deepEqual([newest!.Id, newest!.CreatedBy, newest!.Tags], [imageId(1), 'CMD ["sh"]', ['a:1']])
  assert.deepEqual([oldest!.Id, oldest!.Size, oldest!.Tags], ['<missing>', 1000, null])
})

test('image filters select, and narrow the tags that are shown', async () => {
  const cloud = fakeCloud()
  cloud.images.images.splice(0)
  const images = [
    fakeImage(1, ['a:1', 'b:1'], { labels: { x: 'y' } }),
    fakeImage(2, ['c:1']),
    fakeImage(3, []),
  ]
  cloud.images.images.push(...images)
  const listed = [
    ...images.map((image) => ({ ...image, hasChildren: image.tags.length > 0 })),
    { ...fakeImage(4, []), hasChildren: true },
  ]
  const select = async (filters: object, all = false) =>
    (
      await selectImages(listed, { filters: JSON.stringify(filters), filter: '', all }, cloud, {
        project: 'p',
      })
    ).map(({ id, tags }) => `${id.slice(7, 8)} ${tags}`)
  assert.deepEqual(await select({}), ['1 a:1,b:1', '2 c:1', '3 '])
  assert.deepEqual(await select({}, true), ['1 a:1,b:1', '2 c:1', '3 ', '4 '])
  assert.deepEqual(await select({ reference: ['a'] }), ['1 a:1'])
  assert.deepEqual(await select({ dangling: ['true'] }), ['3 '])
  assert.deepEqual(await select({ label: ['x=y'] }), ['1 a:1,b:1'])
  assert.deepEqual(await select({ before: ['c:1'] }), ['1 a:1,b:1'])
  assert.deepEqual(await select({ since: ['c:1'] }), ['3 '])
  await assert.rejects(select({ since: ['nosuch'] }), { kind: 'not_found' })
  assert.equal(imagePruneOptions('', new Date()).danglingOnly, true)
  assert.equal(imagePruneOptions('{"dangling":["false"]}', new Date()).danglingOnly, false)
})

test('images with slashes in their names are named, tagged, pushed and removed', async () => {
  await using served = await Served.start()
  const name = 'localhost:5000/a/b:1'
  for (const path of [name, encodeURIComponent(name)]) {
    assert.equal((await served.ask('GET', `/v1.50/images/${path}/json`)).json.Id, imageId(2))
  }
  assert.equal((await served.ask('GET', `/images/${name}/history`)).json.length, 2)
  assert.equal((await served.ask('POST', `/images/${name}/tag?repo=x/json&tag=2`)).status, 201)
  assert.equal((await served.ask('GET', '/images/x/json:2/json')).json.Id, imageId(2))
  const pushed = await served.ask('POST', '/images/localhost:5000/a/b/push?tag=1')
  assert.match(pushed.text, /refers to repository \[localhost:5000\/a\/b:1\]/)
  const removed = await served.ask('DELETE', `/images/${name}`)
  assert.deepEqual(removed.json.at(-1), { Deleted: imageId(2) })
  assert.equal((await served.ask('GET', '/images/%zz/json')).status, 400)
})

test('an image in use is not removed, and the log-in is checked', async () => {
  await using served = await Served.start()
  await served.ask('POST', '/containers/create', { Image: 'busybox' })
  const refused = await served.ask('DELETE', '/images/busybox')
  assert.equal(refused.status, 409)
  const login = (password: string) =>
    served.ask('POST', '/auth', { username: 'u', password, serveraddress: 'r' })
  assert.deepEqual((await login('right')).json, { Status: 'Login Succeeded', IdentityToken: '' })
  assert.equal((await login('wrong')).status, 401)
})
