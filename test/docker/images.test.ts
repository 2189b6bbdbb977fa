/** Images: pulled from a real registry, listed, named, inspected and removed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCloud } from '../support/cloud.ts'

const { docker, registry } = await startCloud({ images: ['busybox'] })
const remote = (name: string) => `${registry.host}/${name}`

test('a pull tells of each layer, of the digest and of what it did', async () => {
  const first = await docker.ok(['pull', remote('debian:12')])
  assert.match(first, /^12: Pulling from debian\n/)
  assert.match(first, /^[0-9a-f]{12}: Pulling fs layer$/m)
  assert.match(first, /^[0-9a-f]{12}: Pull complete$/m)
  assert.match(first, /^Digest: sha256:[0-9a-f]{64}$/m)
  assert.match(first, /^Status: Downloaded newer image for localhost:\d+\/debian:12$/m)
  const again = await docker.ok(['pull', remote('debian:12')])
  assert.match(again, /^Status: Image is up to date for localhost:\d+\/debian:12$/m)
})

test('a layer that two images share is fetched once', async () => {
  await docker.ok(['pull', '--quiet', remote('debian:12')])
  const said = await docker.ok(['pull', remote('redis')])
  assert.match(said, /^[0-9a-f]{12}: Already exists$/m)
  assert.match(said, /^[0-9a-f]{12}: Pull complete$/m)
  await docker.ok(['rmi', remote('redis')])
})

test('an image can be pulled and run by its digest', async () => {
  await docker.ok(['pull', '--quiet', remote('busybox')])
  const digest = await docker.inspect(remote('busybox'), '{{index .RepoDigests 0}}')
  assert.match(digest, /^localhost:\d+\/busybox@sha256:[0-9a-f]{64}$/)
  await docker.ok(['rmi', remote('busybox')])
  await docker.ok(['pull', '--quiet', digest])
  assert.equal(await docker.ok(['run', '--rm', digest, 'echo', 'by digest']), 'by digest')
  await docker.ok(['rmi', digest])
})

test('of an index, the image of this platform is taken', async () => {
  await docker.ok(['pull', '--quiet', remote('busybox:multi')])
  assert.equal(await docker.inspect(remote('busybox:multi'), '{{.Os}}/{{.Architecture}}'), 'linux/amd64')
  assert.equal(await docker.ok(['run', '--rm', remote('busybox:multi'), 'echo', 'mine']), 'mine')
  await docker.ok(['rmi', remote('busybox:multi')])
})

test('layers may be compressed with zstd', async () => {
  await docker.ok(['pull', '--quiet', remote('busybox:zstd')])
  assert.equal(await docker.ok(['run', '--rm', remote('busybox:zstd'), 'echo', 'unpacked']), 'unpacked')
  await docker.ok(['rmi', remote('busybox:zstd')])
})

test('run pulls what is not there yet', async () => {
  const ended = await docker.run(['run', '--rm', remote('busybox:zstd'), 'echo', 'pulled'])
  assert.deepEqual([ended.code, ended.stdout], [0, 'pulled\n'])
  assert.match(ended.stderr, /Unable to find image '.*\/busybox:zstd' locally/)
  await docker.ok(['rmi', remote('busybox:zstd')])
})

test('an image that is nowhere is an error, in words that say which', async () => {
  assert.match(await docker.fails(['pull', remote('busybox:none')]), /busybox:none/)
  assert.match(await docker.fails(['pull', remote('nosuch')]), /nosuch/)
  assert.match(await docker.fails(['run', '--rm', remote('nosuch'), 'true'], 125), /nosuch/)
  assert.match(await docker.fails(['inspect', 'nosuch']), /No such object: nosuch/)
  assert.match(await docker.fails(['rmi', 'nosuch']), /No such image: nosuch/)
})

test('images are listed with names, ids, digests and sizes, and filtered', async () => {
  await docker.ok(['pull', '--quiet', remote('debian:12')])
  const format = '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'
  const list = await docker.ok(['images', '--format', format])
  assert.match(list, /^busybox:latest [0-9a-f]{12} [\d.]+MB$/m)
  assert.match(list, /^localhost:\d+\/debian:12 [0-9a-f]{12} [\d.]+MB$/m)
  assert.equal(await docker.ok(['images', '--format', '{{.Tag}}', 'busybox']), 'latest')
  const filtered = ['images', '--format', '{{.Repository}}', '--filter', 'reference=*box']
  assert.equal(await docker.ok(filtered), 'busybox')
  assert.equal(await docker.ok(['images', '--quiet', '--filter', 'dangling=true']), '')
  assert.match(await docker.ok(['images', '--no-trunc', '--quiet', 'busybox']), /^sha256:[0-9a-f]{64}$/)
  assert.match(await docker.ok(['images', '--digests', remote('debian')]), /sha256:[0-9a-f]{64}/)
})

test('inspect and history tell how an image is made', async () => {
  await docker.ok(['pull', '--quiet', remote('redis')])
  const [image] = JSON.parse(await docker.ok(['inspect', remote('redis')]))
  assert.deepEqual(image.Config.Cmd, ['redis-server', '--protected-mode', 'no', '--save', '3600 1'])
  assert.deepEqual(Object.keys(image.Config.ExposedPorts), ['6379/tcp'])
  assert.equal(image.Config.WorkingDir, '/data')
  assert.equal(image.Config.User, 'redis')
  assert.equal(image.RootFS.Layers.length, 2)
  assert.deepEqual(image.RepoTags, [`${remote('redis')}:latest`])
  assert.match(image.Id, /^sha256:[0-9a-f]{64}$/)
  const history = await docker.ok(['history', '--format', '{{.CreatedBy}}', remote('redis')])
  assert.equal(history, 'step 1\nstep 0')
  await docker.ok(['rmi', remote('redis')])
})

test('an image goes when its last name does', async () => {
  const id = await docker.inspect('busybox', '{{.Id}}')
  await docker.ok(['tag', 'busybox', 'other/name:1'])
  await docker.ok(['tag', id.slice(7, 19), 'other/name:2'])
  assert.equal(await docker.inspect('other/name:2', '{{.Id}}'), id)
  assert.equal(await docker.ok(['rmi', 'other/name:1']), 'Untagged: other/name:1')
  assert.match(await docker.fails(['rmi', id]), /image is referenced in multiple repositories/)
  assert.equal(await docker.ok(['rmi', 'other/name:2']), 'Untagged: other/name:2')
  await docker.ok(['pull', '--quiet', remote('redis')])
  const removed = await docker.ok(['rmi', remote('redis')])
  assert.match(removed, /^Untagged: .*redis:latest$/m)
  assert.match(removed, /^Deleted: sha256:[0-9a-f]{64}$/m)
})

test('an image that a container uses stays, unless it is forced and the container does not run', async () => {
  await docker.ok(['tag', 'busybox', 'used:1'])
  await using running = await docker.container('busybox', 'sleep', '1000')
  const id = await docker.inspect('busybox', '{{.Id}}')
  assert.match(await docker.fails(['rmi', '--force', id]), /is being used by running container/)
  assert.equal(await docker.ok(['rmi', 'used:1']), 'Untagged: used:1')
  assert.equal(await running.exec('echo', 'runs'), 'runs')
})

test('prune removes images without a name only, or all that no container uses', async () => {
  await docker.ok(['pull', '--quiet', remote('redis')])
  await docker.ok(['tag', remote('redis'), 'shared:1'])
  await using kept = await docker.container('busybox', 'sleep', '1000')
  assert.match(await docker.ok(['image', 'prune', '--force']), /Total reclaimed space: 0B/)
  assert.match(await docker.ok(['image', 'prune', '--all', '--force']), /untagged: shared:1/)
  assert.equal(await docker.ok(['images', '--format', '{{.Repository}}']), 'busybox')
  assert.equal(await kept.exec('echo', 'runs'), 'runs')
})
