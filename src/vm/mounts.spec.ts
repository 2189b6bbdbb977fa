/** Volumes in containers: what a fresh one is given, where they are mounted, and how they are left. */
import assert from 'node:assert/strict'
import { truncate } from 'node:fs/promises'
import { test } from 'node:test'
import type { FileRecord } from '../engine/ports/files.ts'
import type { GuestMount, Sandbox } from '../engine/ports/sandbox.ts'
import { newId } from '../lib/ids.ts'
import { run } from '../lib/spawn.ts'
import { MiB } from '../lib/units.ts'
import { volumeSlots } from './slots.ts'
import { finish, needsRoot, Sandboxes, start } from './support/real.ts'

const at = (path: string, rest: Partial<GuestMount> = {}): GuestMount => ({
  ...{ disk: 'vol0', sourcePath: '/_data', path, readOnly: false, copyUp: false },
  ...rest,
})

async function paths(tree: AsyncIterable<FileRecord>): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { entry } of tree)
    found.set(entry.path, `${entry.kind} ${entry.mode.toString(8)} ${entry.uid} ${entry.size}`)
  return found
}

const said = async (sandbox: Sandbox, script: string) => (await finish(sandbox, 1, script)).output.stdout

/** It would be repaired without being asked, and is as it was left. */
async function assertClean(path: string): Promise<void> {
  const { stdout } = await run('dumpe2fs', ['-h', path])
  assert.doesNotMatch(stdout, /needs_recovery/)
  await run('e2fsck', ['-fn', path])
}

test('volumes in containers', needsRoot, async (t) => {
  await using sandboxes = await Sandboxes.open()

  await t.test(
    'a fresh one is given what the image has at its place, once, and is clean afterwards',
    async () => {
      const path = await sandboxes.volume()
      const volumes = [{ path, readOnly: false }]
      const first = await sandboxes.container({ volumes, mounts: [at('/bin', { copyUp: true })] })
      const image = await paths(first.files.read(first.handle.id, '/bin'))
      assert.ok(image.size > 100)
      assert.equal(
        await said(first, 'rm /bin/ls; ls / ; echo mine > /bin/mine'),
        'bin\ndev\netc\nproc\nsys\ntmp\n',
      )
      await first.shutdown()
      await assertClean(path)
      const second = await sandboxes.container({
        volumes,
        mounts: [at('/data', { copyUp: true }), at('/etc/bin')],
      })
      const kept = await paths(second.files.read(second.handle.id, '/data'))
      assert.deepEqual(
        [...kept.keys()].filter((name) => !image.has(name)),
        ['mine'],
      )
      assert.ok(!kept.has('ls'))
      assert.equal(kept.get('busybox'), image.get('busybox'))
      assert.equal(
        await said(second, 'cat /etc/bin/mine; cat /data/mine; ls -a / | grep copy'),
        'mine\nmine\n',
      )
      await second.shutdown()
      await assertClean(path)
    },
  )

  await t.test('the same as a container that reads the image sees it', async () => {
    const path = await sandboxes.volume()
    const plain = await sandboxes.container()
    const image = await paths(plain.files.read(plain.handle.id, '/bin'))
    await plain.kill()
    const sandbox = await sandboxes.container({
      volumes: [{ path, readOnly: false }],
      mounts: [
        at('/data', { sourcePath: '/_data/deep/er' }),
        at('/bin', { copyUp: true, sourcePath: '/_data/bin' }),
      ],
    })
    assert.deepEqual(await paths(sandbox.files.read(sandbox.handle.id, '/bin')), image)
    assert.deepEqual([...(await paths(sandbox.files.read(sandbox.handle.id, '/data'))).keys()], [''])
    await sandbox.kill()
  })

  await t.test(
    'nothing is copied of what the image does not have, and no directory goes over a file',
    async () => {
      const path = await sandboxes.volume()
      const volumes = [{ path, readOnly: false }]
      const sandbox = await sandboxes.container({ volumes, mounts: [at('/new', { copyUp: true })] })
      assert.equal(await said(sandbox, 'ls -A /new'), '')
      await sandbox.shutdown()
      await assert.rejects(
        sandboxes.container({ volumes, mounts: [at('/etc/kept', { copyUp: true })] }),
        (error) => {
          assert.deepEqual((error as { details: unknown }).details, { errno: 'ENOTDIR' })
          return true
        },
      )
    },
  )

  await t.test('mounts in mounts, in any order, are found through symlinks of the container', async () => {
    const path = await sandboxes.volume()
    const id = newId()
    const first = await sandboxes.container({ id })
    await said(first, 'ln -s ../../tmp/real /etc/link')
    await first.shutdown()
    const sandbox = await sandboxes.container({
      ...{ id, fresh: false, volumes: [{ path, readOnly: false }] },
      mounts: [
        at('/a/b/c', { sourcePath: '/_data/inner', readOnly: true }),
        at('/a', { sourcePath: '/_data/outer' }),
        at('/etc/link/x', { sourcePath: '/_data/linked' }),
      ],
    })
    assert.equal(
      await said(
        sandbox,
        'echo o > /a/o; touch /a/b/c/f 2>&1; touch /a/b/made; echo l > /tmp/real/x/l; cat /a/o /etc/link/x/l; ls /a /a/b',
      ),
      'touch: /a/b/c/f: Read-only file system\no\nl\n/a:\nb\no\n\n/a/b:\nc\nmade\n',
    )
    await sandbox.shutdown()
    await assertClean(path)
  })

  await t.test('one that was made longer is that long when it is mounted, and while it is', async () => {
    const path = await sandboxes.volume()
    await truncate(path, 256 * MiB)
    const sandbox = await sandboxes.container({ volumes: [{ path, readOnly: false }], mounts: [at('/data')] })
    const kib = async (id: number) =>
      Number((await finish(sandbox, id, "df -k /data | tail -1 | awk '{print $2}'")).output.stdout)
    await start(sandbox, 1, 'sleep 1000')
    assert.ok((await kib(2)) > 220 * 1024)
    await truncate(path, 1024 * MiB)
    await sandbox.growVolume('vol0', 1024 * MiB)
    assert.ok((await kib(3)) > 900 * 1024)
    await sandbox.shutdown()
    await assertClean(path)
  })

  const readOnlySlots = volumeSlots.filter(({ readOnly }) => readOnly).length
  const skip = readOnlySlots > 0 ? false : 'there is no slot for a read-only volume'
  await t.test('a read-only one is read, and its file is left as it is', { skip }, async () => {
    const path = await sandboxes.volume()
    const writer = await sandboxes.container({ volumes: [{ path, readOnly: false }], mounts: [at('/data')] })
    await said(writer, 'echo x > /data/x')
    await writer.shutdown()
    const readers = await Promise.all(
      [1, 2].map(() =>
        sandboxes.container({
          volumes: [{ path, readOnly: true }],
          mounts: [at('/data', { disk: 'rovol0', copyUp: true })],
        }),
      ),
    )
    for (const reader of readers) assert.equal(await said(reader, 'cat /data/x; echo y > /data/y'), 'x\n')
    await Promise.all(readers.map((reader) => reader.shutdown()))
    await assertClean(path)
  })

  await t.test('a read-only one that nobody unmounted is read as it is on its disk', { skip }, async () => {
    const path = await sandboxes.volume()
    const writer = await sandboxes.container({ volumes: [{ path, readOnly: false }], mounts: [at('/data')] })
    await said(writer, 'echo x > /data/x; sync; echo y > /data/y')
    await writer.kill()
    const reader = await sandboxes.container({
      volumes: [{ path, readOnly: true }],
      mounts: [at('/data', { disk: 'rovol0' })],
    })
    assert.equal(await said(reader, 'cat /data/x'), 'x\n')
    await reader.kill()
  })
})
