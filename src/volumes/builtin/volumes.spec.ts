import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { NewVolume, VolumeProvider } from '../../engine/ports/volumes.ts'
import { silentLog } from '../../lib/log.ts'
import { run } from '../../lib/spawn.ts'
import { GiB, KiB, MiB } from '../../lib/units.ts'
import { openDatabase } from '../../store/database.ts'
import { createVolumeRecords } from '../../store/volumes.ts'
import type { VolumeRecords } from '../ports/records.ts'
import { createBuiltinVolumes } from './volumes.ts'

const wanted = (name: string, more: Partial<NewVolume> = {}): NewVolume => ({
  project: 'default',
  name,
  labels: { a: 'b' },
  options: {},
  sizeBytes: 0,
  anonymous: false,
  ...more,
})

async function opened(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'hb-volumes-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const database = await openDatabase(':memory:')
  t.after(() => database.destroy())
  const records = createVolumeRecords(database)
  const open = (instead: Partial<VolumeRecords> = {}) =>
    createBuiltinVolumes({
      records: { ...records, ...instead },
      directory,
      sizeBytes: GiB,
      sizeBytesMax: 20 * GiB,
      log: silentLog,
    })
  return { directory, records, open, volumes: await open() }
}

const pathOf = async (volumes: VolumeProvider, id: string) =>
  (await volumes.attach(id, { readOnly: true })).path

async function write(path: string, text: string, at = 64 * MiB): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(text, at)
  await file.close()
}

async function read(path: string, length: number, at = 64 * MiB): Promise<string> {
  const file = await open(path, 'r')
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, at)
  await file.close()
  return buffer.toString()
}

test('a new volume is a sparse ext4 of its size with an empty _data, which fsck finds whole', async (t) => {
  const { volumes } = await opened(t)
  for (const [sizeBytes, expected] of [
    [0, GiB],
    [16 * MiB, 16 * MiB],
    [10 * GiB, 10 * GiB],
    [20 * MiB + 1, 21 * MiB],
  ] as const) {
    const volume = await volumes.create(wanted(`v${sizeBytes}`, { sizeBytes }))
    const path = await pathOf(volumes, volume.id)
    assert.deepEqual([volume.sizeBytes, statSync(path).size], [expected, expected])
    assert.ok((await volumes.usedBytes(volume.id)) < 2 * MiB)
    await run('e2fsck', ['-fn', path])
    const { stdout } = await run('debugfs', ['-R', 'stat /_data', path])
    assert.match(stdout, /Type: directory +Mode: +0755[\s\S]*User: +0 +Group: +0/)
    assert.equal(await volumes.isUnclean(volume.id), false)
  }
})

test('sizes beyond the limits are refused with them', async (t) => {
  const { volumes } = await opened(t)
  for (const sizeBytes of [1, 15 * MiB, 21 * GiB]) {
    await assert.rejects(volumes.create(wanted('data', { sizeBytes })), {
      kind: 'invalid',
      code: 'bad_volume_size',
      message: /^the size of volume data cannot be .*: it can be 16 MiB to 20 GiB$/,
    })
  }
  assert.deepEqual(volumes.volumes(), [])
})

test('the next daemon knows what the last one made', async (t) => {
  const { open, volumes } = await opened(t)
  const made = [
    await volumes.create(wanted('one', { options: { size: '2G' }, sizeBytes: 2 * GiB })),
    await volumes.create(wanted('two', { anonymous: true })),
  ]
  await volumes.markUsed(made[0]!.id)
  await volumes.snapshot(made[1]!.id, 'first', null)
  const next = await open()
  assert.deepEqual(next.volumes(), [{ ...made[0], pristine: false }, made[1]])
  assert.deepEqual(next.snapshots(), volumes.snapshots())
})

test('a name is taken once in a project', async (t) => {
  const { volumes } = await opened(t)
  const both = await Promise.allSettled([volumes.create(wanted('data')), volumes.create(wanted('data'))])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  assert.equal(volumes.volumes().length, 1)
})

test('what a killed daemon was making or removing is gone, and nothing else is', async (t) => {
  const { directory, records, open, volumes } = await opened(t)
  const kept = await volumes.create(wanted('kept'))
  // Killed when the disk was there and no record said so, and when it was about to go.
  const never = new Promise<never>(() => {})
  let waiting = 0
  const dies = () => {
    waiting++
    return never
  }
  const dying = await open({ updateVolume: dies, updateSnapshot: dies })
  void dying.create(wanted('half'))
  void dying.snapshot(kept.id, 'half', null)
  // Then it does nothing more, as one that is dead.
  await until(async () => waiting === 2)
  const disks = readdirSync(directory, { recursive: true }).filter((name) => /^[vs]\/.*img$/.test(`${name}`))
  assert.equal(disks.length, 3)
  const next = await open()
  assert.deepEqual(next.volumes(), [kept])
  assert.deepEqual(next.snapshots(), [])
  const removed = await next.create(wanted('removed'))
  const removing = await open({ removeVolume: () => never })
  void removing.remove(removed.id)
  await until(async () => !readdirSync(join(directory, 'v')).includes(removed.id))
  assert.equal((await records.load()).volumes.length, 2)
  mkdirSync(join(directory, 'v', 'stranger'))
  writeFileSync(join(directory, 'v', kept.id, 'disk.new'), 'half a copy')
  mkdirSync(join(directory, 'making-x'))
  const last = await open()
  assert.deepEqual(last.volumes(), [kept])
  assert.deepEqual(readdirSync(join(directory, 'v')).sort(), [kept.id, 'stranger'].sort())
  assert.deepEqual(readdirSync(join(directory, 'v', kept.id)), ['disk.img'])
  assert.deepEqual(readdirSync(join(directory, 's')), [])
  assert.deepEqual(readdirSync(directory).sort(), ['s', 'v'])
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}

test('a volume that could not be made leaves nothing, and its name is free', async (t) => {
  const { directory, records, open } = await opened(t)
  const failing = await open({
    updateVolume: () => Promise.reject(new Error('no room')),
  })
  await assert.rejects(failing.create(wanted('data')), /no room/)
  assert.deepEqual(await records.load(), { volumes: [], snapshots: [] })
  assert.deepEqual(readdirSync(join(directory, 'v')), [])
  assert.deepEqual(failing.volumes(), [])
})

test('a volume grows and never shrinks', async (t) => {
  const { volumes } = await opened(t)
  const { id } = await volumes.create(wanted('data'))
  assert.equal((await volumes.grow(id, 3 * GiB)).sizeBytes, 3 * GiB)
  assert.equal(statSync(await pathOf(volumes, id)).size, 3 * GiB)
  await assert.rejects(volumes.grow(id, GiB), { code: 'bad_volume_size', message: /cannot be made smaller/ })
  await assert.rejects(volumes.grow(id, 21 * GiB), { code: 'bad_volume_size' })
  assert.equal(volumes.volumes()[0]!.sizeBytes, 3 * GiB)
})

test('a snapshot has what was in the volume, which gets it back; clones go their own way', async (t) => {
  const { volumes } = await opened(t)
  const volume = await volumes.create(wanted('data'))
  const path = await pathOf(volumes, volume.id)
  await write(path, 'before')
  const snapshot = await volumes.snapshot(volume.id, 'first', null)
  await assert.rejects(volumes.snapshot(volume.id, 'first', null), { code: 'snapshot_exists' })
  assert.ok((await volumes.snapshotUsedBytes(snapshot.id)) < 2 * MiB)
  await write(path, 'after!')
  const clone = await volumes.clone(volume.id, wanted('clone'), null)
  const earlier = await volumes.cloneSnapshot(snapshot.id, wanted('earlier', { sizeBytes: 2 * GiB }))
  assert.equal(await read(await pathOf(volumes, clone.id), 6), 'after!')
  assert.equal(await read(await pathOf(volumes, earlier.id), 6), 'before')
  assert.deepEqual([clone.sizeBytes, earlier.sizeBytes], [GiB, 2 * GiB])
  assert.equal(statSync(await pathOf(volumes, earlier.id)).size, 2 * GiB)
  await volumes.grow(volume.id, 2 * GiB)
  await volumes.restore(volume.id, snapshot.id)
  assert.equal(await read(await pathOf(volumes, volume.id), 6), 'before')
  assert.equal(statSync(await pathOf(volumes, volume.id)).size, 2 * GiB)
  await volumes.remove(volume.id)
  assert.equal(volumes.snapshots().length, 1)
  await volumes.removeSnapshot(snapshot.id)
  assert.deepEqual(volumes.snapshots(), [])
})

test('what a sandbox writes to is copied by the sandbox', async (t) => {
  const { volumes } = await opened(t)
  const { id } = await volumes.create(wanted('data'))
  const live = async (path: string) => {
    assert.equal(statSync(path).size, GiB)
    await write(path, 'by the guest')
  }
  const snapshot = await volumes.snapshot(id, 'live', live)
  const clone = await volumes.cloneSnapshot(snapshot.id, wanted('clone'))
  assert.equal(await read(await pathOf(volumes, clone.id), 12), 'by the guest')
  await assert.rejects(
    volumes.snapshot(id, 'failed', () => Promise.reject(new Error('the sandbox ended'))),
    /the sandbox ended/,
  )
  assert.equal(volumes.snapshots().length, 1)
})

test('a file system that was not unmounted says so, and what is none does not', async (t) => {
  const { volumes } = await opened(t)
  const { id } = await volumes.create(wanted('data'))
  const path = await pathOf(volumes, id)
  const file = await open(path, 'r+')
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, KiB + 0x60)
  buffer.writeUInt32LE(buffer.readUInt32LE() | 4)
  await file.write(buffer, 0, 4, KiB + 0x60)
  await file.close()
  assert.equal(await volumes.isUnclean(id), true)
  writeFileSync(path, await readFile('/dev/null'))
  assert.equal(await volumes.isUnclean(id), false)
  truncateSync(path, GiB)
  assert.equal(await volumes.isUnclean(id), false)
})
