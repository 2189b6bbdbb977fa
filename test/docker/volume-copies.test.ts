/** What docker has no words for: volumes that grow, and snapshots and clones of them, also while a container writes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkout } from '../../scripts/setup/artifacts.mjs'
import { until } from '../../src/lib/deadline.ts'
import { run } from '../../src/lib/spawn.ts'
import { GiB, MiB } from '../../src/lib/units.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { daemon, docker } = await startCloud({ images: ['busybox'] })
const sh = (script: string) => ['busybox', 'sh', '-c', script]
const inVolume = (volume: string, script: string) =>
  docker.ok(['run', '--rm', '-v', `${volume}:/data`, ...sh(script)])

async function hb(...args: string[]): Promise<string> {
  const env = { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` }
  const { stdout } = await run(join(checkout, 'bin/hb'), ['volume', ...args], { env })
  return stdout.replace(/\n$/, '')
}

const sizeOf = async (volume: string) =>
  (JSON.parse(await hb('ls', '--json')) as { name: string; sizeBytes: number }[]).find(
    ({ name }) => name === volume,
  )?.sizeBytes

/** Of the file system, as a container sees it. */
const blocks = 'stat -f -c "%b %S" /data'
const bytesOf = (said: string) => said.split(' ').reduce((product, factor) => product * Number(factor), 1)

test('a volume grows while a container writes to it, and is never made smaller', async () => {
  await docker.ok(['volume', 'create', '--opt', 'size=64m', 'growing'])
  await using container = await docker.container(
    ...['-v', 'growing:/data'],
    ...sh('i=0; while :; do echo $((i += 1)) > /data/count; done'),
  )
  await until('it writes', () => container.exec('test', '-s', '/data/count').then(() => true), patience)
  const before = bytesOf(await container.exec('sh', '-c', blocks))
  assert.ok(before < 64 * MiB && before > 40 * MiB, String(before))
  assert.equal(await hb('grow', 'growing', '1G'), 'growing 1 GiB')
  const after = bytesOf(await container.exec('sh', '-c', blocks))
  assert.ok(after > 900 * MiB, String(after))
  await container.exec('dd', 'if=/dev/zero', 'of=/data/zeros', 'bs=1M', 'count=100')
  await assert.rejects(hb('grow', 'growing', '512M'), /has 1 GiB and cannot be made smaller/)
  await docker.ok(['rm', '--force', container.id])
  // While nobody has it, it is its file that grows: its file system does when it is mounted next.
  assert.equal(await hb('grow', 'growing', '2G'), 'growing 2 GiB')
  assert.equal(await sizeOf('growing'), 2 * GiB)
  const last = bytesOf(await inVolume('growing', `${blocks}`))
  assert.ok(last > 1_900 * MiB, String(last))
  assert.equal(await inVolume('growing', 'stat -c %s /data/zeros'), String(100 * MiB))
  await docker.ok(['volume', 'rm', 'growing'])
})

test('a snapshot gives back what was; clones go their own way; both stay when the volume goes', async () => {
  await inVolume('origin', 'echo before > /data/file; mkdir /data/kept; chown 33:33 /data/kept')
  assert.equal(await hb('snapshot', 'origin', 'first'), 'first')
  await assert.rejects(hb('snapshot', 'origin', 'first'), /has a snapshot named first already/)
  await inVolume('origin', 'echo after > /data/file; rmdir /data/kept')
  assert.equal(await hb('clone', 'origin', 'now'), 'now')
  assert.equal(await hb('clone', 'origin', 'then', '--snapshot', 'first'), 'then')
  assert.equal(await inVolume('now', 'cat /data/file; ls /data'), 'after\nfile')
  assert.equal(await inVolume('then', 'cat /data/file; stat -c %u /data/kept'), 'before\n33')
  await inVolume('then', 'echo other > /data/file')
  {
    await using container = await docker.container('-v', 'origin:/data', 'busybox', 'sleep', '1000')
    await assert.rejects(
      hb('restore', 'origin', 'first'),
      new RegExp(`attached read-write to container .*${container.id.slice(0, 12)}`),
    )
  }
  await hb('restore', 'origin', 'first')
  assert.equal(await inVolume('origin', 'cat /data/file; stat -c %u /data/kept'), 'before\n33')
  await docker.ok(['volume', 'rm', 'origin', 'now'])
  await daemon.kill9()
  await daemon.launch()
  assert.match(await hb('snapshots'), /^origin +first +10 GiB/m)
  await docker.ok(['volume', 'create', 'origin'])
  await hb('restore', 'origin', 'first')
  assert.equal(await inVolume('origin', 'cat /data/file'), 'before')
  assert.equal(await hb('snapshot', 'rm', 'origin', 'first'), 'first')
  await assert.rejects(hb('restore', 'origin', 'first'), /no such snapshot: first/)
  await docker.ok(['volume', 'rm', 'origin', 'then'])
})

test('what a container writes to is copied as of one moment, and the container runs on', async () => {
  // Two files that are always equal, or one ahead: a copy of two moments would show.
  const write =
    'i=0; while :; do echo $((i += 1)) > /data/a.new; mv /data/a.new /data/a; cp /data/a /data/b.new; mv /data/b.new /data/b; done'
  await using container = await docker.container('-v', 'live:/data', ...sh(write))
  await until('it writes', () => container.exec('test', '-s', '/data/b').then(() => true), patience)
  await hb('snapshot', 'live', 'running')
  await hb('clone', 'live', 'copy')
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
  const before = Number(await container.exec('cat', '/data/a'))
  await until('it writes on', async () => Number(await container.exec('cat', '/data/a')) > before, patience)
  await hb('clone', 'live', 'copy2', '--snapshot', 'running')
  for (const copy of ['copy', 'copy2']) {
    const [a, b] = (await inVolume(copy, 'cat /data/a /data/b')).split('\n').map(Number)
    assert.ok(a! > 0 && (a === b || a === b! + 1), `${copy} has ${a} and ${b}`)
  }
  await docker.ok(['pause', container.id])
  await assert.rejects(hb('snapshot', 'live', 'paused'), /which is paused: unpause it first/)
  await docker.ok(['unpause', container.id])
  await docker.ok(['rm', '--force', container.id])
  await docker.ok(['volume', 'rm', 'live', 'copy', 'copy2'])
  await hb('snapshot', 'rm', 'live', 'running')
  assert.equal(await hb('snapshots', '--json'), '[]')
})

test('copies take what is in a volume, not what it could hold', async () => {
  await inVolume('sparse', 'dd if=/dev/urandom of=/data/random bs=1M count=8 2> /dev/null')
  await hb('snapshot', 'sparse', 'one')
  await hb('clone', 'sparse', 'sparse2')
  const told = [...JSON.parse(await hb('ls', '--json')), ...JSON.parse(await hb('snapshots', '--json'))]
  for (const { name, usedBytes } of told as { name: string; usedBytes: number }[]) {
    assert.ok(usedBytes > 8 * MiB && usedBytes < 40 * MiB, `${name} takes ${usedBytes}`)
  }
  await docker.ok(['volume', 'rm', 'sparse', 'sparse2'])
  await hb('snapshot', 'rm', 'sparse', 'one')
})
