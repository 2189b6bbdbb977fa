import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommitRequest, ImageConfig } from '../engine/ports/images.ts'
import { tar, tarEnd } from '../lib/support/tar.ts'
import { committedConfig } from './commit.ts'
import { emptyConfig } from './config.ts'
import { cat, type Fixture, imageFixture, importTar, paths, scope } from './support/fixture.ts'

const signal = AbortSignal.timeout(60_000)
const root = tar({ name: 'etc/passwd', data: 'root' }, { name: 'etc/issue', data: 'old' })

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

async function commit({ images }: Fixture, parent: string, layer: Buffer, more: Partial<CommitRequest> = {}) {
  const { config } = await images.resolve('default', parent)
  return images.commit(
    'default',
    {
      parent,
      container: config,
      asked: {},
      changes: [],
      layer: chunks(layer),
      author: 'Ada',
      comment: 'a step',
      createdBy: 'sh -c true',
      ...more,
    },
    { signal },
  )
}

test('a commit puts a layer on the image of the container, and takes away what it took away', async (t) => {
  const fixture = await imageFixture(t)
  const { images, events } = fixture
  const parent = await importTar(images, root, { reference: 'base:1', changes: ['CMD ["sh"]'] })
  const first = await commit(fixture, parent, tar({ name: 'etc/.wh.issue' }, { name: 'new', data: '1' }), {
    reference: 'mine:2',
    changes: ['ENV A=b'],
  })
  assert.equal(first.name, 'mine:2')
  const path = await images.blockImage(first.id)
  assert.deepEqual(await paths(path), ['/etc', '/etc/passwd', '/new'])
  assert.equal(await cat(path, 'new'), '1')

  const details = await images.get(scope, 'mine:2')
  assert.deepEqual(
    [
      details.parent,
      details.author,
      details.comment,
      details.layers.length,
      details.config.Cmd,
      details.config.Env,
    ],
    [parent, 'Ada', 'a step', 2, ['sh'], ['A=b']],
  )
  assert.deepEqual(
    details.history.map(({ createdBy, empty, size }) => [createdBy, empty, size]),
    [
      ['', false, 7],
      ['sh -c true', false, 1],
    ],
  )
  assert.deepEqual(events.at(-1), {
    project: 'default',
    action: 'tag',
    id: first.id,
    attributes: { name: 'mine:2' },
  })

  const second = await commit(fixture, first.id, tar({ name: 'again', data: '2' }))
  assert.equal(second.name, '')
  assert.deepEqual(await paths(await images.blockImage(second.id)), ['/again', '/etc', '/etc/passwd', '/new'])
})

test('a container that wrote nothing makes an image without a further layer', async (t) => {
  const fixture = await imageFixture(t)
  const parent = await importTar(fixture.images, root, { reference: 'base:1' })
  const before = await fixture.files()
  const { id } = await commit(fixture, parent, tarEnd, { changes: ['LABEL a=b'] })
  const { layers, history, labels } = await fixture.images.get(scope, id)
  assert.deepEqual([layers.length, history.at(-1)!.empty, labels], [1, true, { a: 'b' }])
  assert.deepEqual(await fixture.files(), before)
})

test('an image that another was made of stays without its name', async (t) => {
  const fixture = await imageFixture(t)
  const { images } = fixture
  const parent = await importTar(images, root, { reference: 'base:1' })
  const { id } = await commit(fixture, parent, tar({ name: 'new' }))
  const unused = { force: true, usedBy: () => [] }
  await assert.rejects(images.remove(scope, parent, unused), {
    message: `conflict: unable to delete ${parent.slice(7, 19)} (cannot be forced) - image has dependent child images`,
  })
  assert.deepEqual(await images.remove(scope, 'base:1', unused), [{ untagged: 'base:1' }])
  assert.equal((await images.get(scope, id)).parent, parent)
  assert.deepEqual(await paths(await images.blockImage(id)), ['/etc', '/etc/issue', '/etc/passwd', '/new'])
})

test('what cannot be said of an image is refused before anything is read, and leaves nothing', async (t) => {
  const fixture = await imageFixture(t)
  const parent = await importTar(fixture.images, root, { reference: 'base:1' })
  const before = await fixture.files()
  const unread: AsyncIterable<Buffer> = {
    [Symbol.asyncIterator]: () => assert.fail('the layer was read'),
  }
  const wrong: Partial<CommitRequest>[] = [{ changes: ['RUN true'] }, { reference: 'Big:1' }]
  for (const more of wrong) {
    await assert.rejects(commit(fixture, parent, tarEnd, { layer: unread, ...more }), { kind: 'invalid' })
  }
  await assert.rejects(commit(fixture, parent, root.subarray(0, 514)), { kind: 'invalid' })
  assert.deepEqual(await fixture.files(), before)
})

const container: ImageConfig = {
  ...emptyConfig,
  Env: ['PATH=/bin', 'A=1'],
  Cmd: ['sh'],
  Entrypoint: ['/entry'],
  User: 'web',
  Labels: { a: '1' },
  ExposedPorts: { '80/tcp': {} },
}

test('what is asked for comes before what the container runs with, field by field', () => {
  const config = committedConfig({
    container,
    asked: { ...emptyConfig, Env: ['A=2'], Labels: { b: '2' }, Cmd: ['ls'] },
    changes: ['EXPOSE 90'],
  })
  assert.deepEqual(config.Env, ['A=2', 'PATH=/bin'])
  assert.deepEqual([config.Cmd, config.Entrypoint, config.User], [['ls'], ['/entry'], 'web'])
  assert.deepEqual(Object.keys(config.ExposedPorts).sort(), ['80/tcp', '90/tcp'])
  assert.deepEqual(config.Labels, { a: '1', b: '2' })
})

test('a new entrypoint drops the command that was there for the old one', () => {
  const { Cmd, Entrypoint } = committedConfig({ container, asked: {}, changes: ['ENTRYPOINT ["/new"]'] })
  assert.deepEqual([Cmd, Entrypoint], [null, ['/new']])
  const both = committedConfig({ container, asked: {}, changes: ['CMD ["x"]', 'ENTRYPOINT ["/new"]'] })
  assert.deepEqual([both.Cmd, both.Entrypoint], [['x'], ['/new']])
})
