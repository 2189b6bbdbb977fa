/** Volumes that several containers want, and containers that want several volumes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { daemon, docker } = await startCloud({ images: ['busybox'] })
const sh = (script: string) => ['busybox', 'sh', '-c', script]
const run = (...args: string[]) => docker.ok(['run', '--rm', ...args])

test('many containers read a volume at the same time, and nobody writes to it meanwhile', async () => {
  await run('-v', 'shared:/data', ...sh('echo text > /data/file'))
  await using one = await docker.container(
    '--name',
    'one',
    '-v',
    'shared:/data:ro',
    'busybox',
    'sleep',
    '1000',
  )
  await using two = await docker.container(
    '--mount',
    'src=shared,dst=/other,readonly',
    'busybox',
    'sleep',
    '1000',
  )
  assert.equal(await one.exec('cat', '/data/file'), 'text')
  assert.equal(await two.exec('cat', '/other/file'), 'text')
  assert.match((await docker.run(['exec', one.id, 'touch', '/data/new'])).stderr, /Read-only file system/)
  const refused = await docker.fails(
    ['run', '--rm', '--name', 'late', '-v', 'shared:/data', 'busybox', 'true'],
    125,
  )
  assert.match(
    refused,
    new RegExp(`volume shared is attached read-only to container one \\(${one.id.slice(0, 12)}\\)`),
  )
  assert.match(refused, /to one container read-write or to many read-only/)
  await daemon.kill9()
  await daemon.launch()
  assert.match(
    await docker.fails(['run', '--rm', '-v', 'shared:/data', 'busybox', 'true'], 125),
    /volume shared is attached read-only/,
  )
  await docker.ok(['rm', '--force', one.id, two.id])
  await run('-v', 'shared:/data', ...sh('echo more >> /data/file'))
  assert.equal(await run('-v', 'shared:/data:ro', 'busybox', 'cat', '/data/file'), 'text\nmore')
  await docker.ok(['volume', 'rm', 'shared'])
})

test('who comes second is refused at its start, by the name of the first, and starts when that has stopped', async () => {
  await using first = await docker.container(
    '--name',
    'first',
    '-v',
    'wanted:/data',
    'busybox',
    'sleep',
    '1000',
  )
  const second = await docker.ok([
    'create',
    '--name',
    'second',
    '-v',
    'wanted:/data',
    'busybox',
    'sleep',
    '1000',
  ])
  assert.match(
    await docker.fails(['start', 'second']),
    /volume wanted is attached read-write to container first/,
  )
  assert.equal(await docker.inspect(second, '{{.State.Status}}'), 'created')
  await docker.ok(['stop', '-t', '0', first.id])
  await docker.ok(['start', 'second'])
  await docker.ok(['rm', '--force', 'second', 'first'])
  await docker.ok(['volume', 'rm', 'wanted'])
})

test('a volume of a sandbox that was killed is read all the same', async () => {
  await using container = await docker.container(
    '-v',
    'torn:/data',
    ...sh('echo text > /data/file; sync; while :; do echo $((i += 1)) > /data/n; sync; done'),
  )
  await until('it has written', () => container.exec('test', '-s', '/data/n').then(() => true), patience)
  process.kill(daemon.sandboxOf(container.id), 'SIGKILL')
  await container.is('exited')
  assert.equal(await run('-v', 'torn:/data:ro', 'busybox', 'cat', '/data/file'), 'text')
  assert.equal(await run('-v', 'torn:/data', 'busybox', 'cat', '/data/file'), 'text')
  await docker.ok(['rm', container.id])
  await docker.ok(['volume', 'rm', 'torn'])
})

test('a volume whose file system a guest has broken is refused by name, and harms nobody else', async () => {
  const overwrite =
    'dd if=/dev/zero of=$(grep " /data " /proc/mounts | cut -d " " -f 1) bs=4096 count=4; sync'
  await docker.ok(['run', '--rm', '--privileged', '-v', 'broken:/data', ...sh(overwrite)])
  for (const mode of ['rw', 'ro']) {
    const args = ['run', '--rm', '-v', `broken:/data:${mode}`, 'busybox', 'true']
    assert.match(
      await docker.fails(args, 125),
      /volume broken cannot be mounted: .*restore a snapshot of it or remove/,
    )
  }
  assert.equal(await run('busybox', 'echo', 'well'), 'well')
  await docker.ok(['volume', 'rm', 'broken'])
})

test('volumes are mounted inside of one another, and directories of them', async () => {
  const nested = ['-v', 'outer:/data', '-v', 'inner:/data/deep/inner', '--tmpfs', '/data/scratch']
  await run(...nested, ...sh('echo o > /data/o; echo i > /data/deep/inner/i; echo t > /data/scratch/t'))
  assert.equal(await run('-v', 'outer:/x', 'busybox', 'find', '/x', '-type', 'f'), '/x/o')
  assert.equal(await run('-v', 'inner:/x', 'busybox', 'find', '/x', '-type', 'f'), '/x/i')
  // In whatever order they are named.
  assert.equal(
    await run('-v', 'inner:/data/deep/inner', '-v', 'outer:/data', ...sh('cat /data/o /data/deep/inner/i')),
    'o\ni',
  )
  // One volume at two places is one disk.
  const twice = ['-v', 'outer:/a', '-v', 'outer:/b:ro']
  assert.equal(
    await run(...twice, ...sh('echo x > /a/x; cat /b/x; touch /b/y 2>&1; true')),
    'x\ntouch: /b/y: Read-only file system',
  )
  await docker.ok(['volume', 'rm', 'outer', 'inner'])
})

test('--volumes-from has the volumes of another container, which keeps them alive', async () => {
  await docker.ok(['create', '--name', 'holder', '-v', '/own', '-v', 'data:/data', 'busybox', 'true'])
  await run('--volumes-from', 'holder', ...sh('echo own > /own/f; echo data > /data/f'))
  assert.equal(
    await run('--volumes-from', 'holder:ro', ...sh('cat /own/f /data/f; touch /own/g 2>&1; true')),
    'own\ndata\ntouch: /own/g: Read-only file system',
  )
  await docker.ok(['rm', '-v', 'holder'])
  assert.equal(await docker.ok(['volume', 'ls', '-q']), 'data')
  await docker.ok(['volume', 'rm', 'data'])
})

test('--rm lets a volume go before it answers, so that the next one has it', async () => {
  for (let round = 0; round < 5; round++) {
    assert.equal(
      await run('-v', 'turns:/data', ...sh('echo x >> /data/lines; wc -l < /data/lines')),
      String(round + 1),
    )
  }
  await docker.ok(['volume', 'rm', 'turns'])
})
