import assert from 'node:assert/strict'
import { readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { GuestMount } from '../engine/ports/sandbox.ts'
import { until } from '../lib/deadline.ts'
import { hasCode, messageOf } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { silentLog } from '../lib/log.ts'
import { run } from '../lib/spawn.ts'
import { MiB } from '../lib/units.ts'
import { volumeSlots } from './slots.ts'
import { finish, hostStatus, needsRoot, Sandboxes, smallSize, start } from './support/real.ts'

const mount = (disk: string, path: string, readOnly = false): GuestMount => ({
  ...{ disk, path, readOnly },
  ...{ sourcePath: '/_data', copyUp: false },
})

test('volumes of sandboxes', needsRoot, async (t) => {
  await using sandboxes = await Sandboxes.open(
    process.env.HB_TEST_LOG ? { ...silentLog, ...console } : silentLog,
  )
  const ownerOf = async (path: string) => {
    const { uid, gid, mode } = await stat(path)
    return [uid, gid, mode & 0o777]
  }
  /** With one writable volume at /v, that was `path`. */
  const writing = (path: string, options: { id?: string; fresh?: boolean } = {}) =>
    sandboxes.container({
      ...options,
      volumes: [{ path, readOnly: false }],
      mounts: [mount('vol0', '/v')],
      privileged: true,
    })
  const reading = (path: string) =>
    sandboxes.container({
      volumes: [{ path, readOnly: true }],
      mounts: [mount('rovol0', '/v', true)],
      privileged: true,
    })

  await t.test(
    'what one sandbox writes into a volume the next one reads, and the file is never theirs',
    async () => {
      const path = await sandboxes.volume()
      const first = await writing(path)
      assert.deepEqual(first.handle.volumes, [{ path, readOnly: false, disk: 'vol0' }])
      assert.deepEqual(await ownerOf(path), [0, 0, 0o600])
      assert.equal((await finish(first, 1, 'echo kept > /v/note')).exit.code, 0)
      await first.shutdown()
      await run('e2fsck', ['-fn', path])
      const second = await writing(path)
      const uid = (await hostStatus(second.handle.pid)).get('Uid')
      assert.notEqual(uid, (await stat(path)).uid)
      assert.equal((await finish(second, 1, 'cat /v/note')).output.stdout, 'kept\n')
      await second.shutdown()
      assert.deepEqual(await ownerOf(path), [0, 0, 0o600])
    },
  )

  await t.test('a volume has its own size in the guest, and nothing can be written behind it', async () => {
    const path = await sandboxes.volume(33 * MiB)
    const sandbox = await writing(path)
    const { output } = await finish(
      sandbox,
      1,
      `d=$(grep -l '^vol0$' /sys/block/*/serial | cut -d/ -f4); blockdev --getsize64 /dev/$d
       dd if=/dev/zero of=/dev/$d bs=1M seek=33 count=1 2>&1 | grep -c 'No space'`,
    )
    assert.equal(output.stdout, `${33 * MiB}\n1\n`, output.stderr)
    await sandbox.kill()
    assert.equal((await stat(path)).size, 33 * MiB)
  })

  await t.test('two sandboxes read one volume at the same time, and neither can write to it', async () => {
    const path = await sandboxes.volume(17 * MiB)
    const writer = await writing(path)
    await finish(writer, 1, 'echo shared > /v/note')
    await writer.shutdown()
    const before = await run('sha256sum', [path])
    const both = await Promise.all([reading(path), reading(path)])
    assert.deepEqual(await ownerOf(path), [0, 0, 0o600])
    for (const sandbox of both) {
      assert.deepEqual(sandbox.handle.volumes, [{ path, readOnly: true, disk: 'rovol0' }])
      const { output } = await finish(
        sandbox,
        1,
        `cat /v/note; d=$(grep -l '^rovol0$' /sys/block/*/serial | cut -d/ -f4); blockdev --getsize64 /dev/$d; cat /sys/block/$d/ro
         touch /v/x || echo no file; blockdev --setrw /dev/$d; dd if=/dev/zero of=/dev/$d bs=4k count=1 conv=fsync || echo no block`,
      )
      assert.equal(output.stdout, `shared\n${17 * MiB}\n1\nno file\nno block\n`, output.stderr)
      await sandbox.kill()
    }
    assert.equal((await run('sha256sum', [path])).stdout, before.stdout)
  })

  await t.test('each volume is where it was asked for', async () => {
    const paths = await Promise.all(volumeSlots.map(() => sandboxes.volume(16 * MiB)))
    const volumes = volumeSlots.map(({ readOnly }, at) => ({ path: paths[at]!, readOnly }))
    const mounts = volumeSlots.map(({ slot, readOnly }) => mount(slot, `/${slot}`, readOnly))
    const sandbox = await sandboxes.container({ volumes, mounts })
    const { output } = await finish(
      sandbox,
      1,
      "grep -c ' /r*o*vol[0-9]* ' /proc/mounts; echo 1 > /vol0/x; ls /vol*",
    )
    assert.match(output.stdout, new RegExp(`^${volumeSlots.length}\\n`), output.stderr)
    await sandbox.shutdown()
  })

  await t.test(
    'more than there are slots for is refused, and so is what is no disk; both leave nothing',
    async () => {
      const good = await sandboxes.volume(16 * MiB)
      const claim = (volumes: { path: string; readOnly: boolean }[]) => {
        const id = newId()
        const scratch = { path: sandboxes.scratch(id), fresh: true }
        return sandboxes.provider.claim({
          id,
          size: smallSize,
          network: null,
          image: sandboxes.image,
          scratch,
          volumes,
        })
      }
      const many = Array.from({ length: 9 }, () => ({ path: good, readOnly: false }))
      await assert.rejects(
        claim(many),
        (error) => hasCode(error, 'too_many_volumes') && /at most/.test(messageOf(error)),
      )
      const empty = join(sandboxes.directory, 'empty')
      await writeFile(empty, '')
      for (const path of [empty, join(sandboxes.directory, 'missing')]) {
        await assert.rejects(
          claim([
            { path: good, readOnly: false },
            { path, readOnly: true },
          ]),
        )
        assert.deepEqual(await ownerOf(good), [0, 0, 0o600])
      }
      await until('the clones to end', () => sandboxes.running() === 0, { deadlineMs: 10_000 })
      assert.deepEqual(await sandboxes.remains(), [])
    },
  )

  await t.test('the next daemon finds a sandbox with its volumes', async () => {
    const path = await sandboxes.volume()
    const sandbox = await writing(path)
    await start(sandbox, 1, 'read line; echo $line > /v/note; sync; echo done; sleep 1000')
    await sandboxes.provider.close()
    const adopted = await (await sandboxes.daemon()).adopt(sandbox.handle)
    let heard = ''
    const again = adopted.adoptProcess(
      1,
      {
        write: (_, chunk) => {
          heard += chunk
        },
      },
      { stdout: 0, stderr: 0 },
    )
    await again.writeStdin(Buffer.from('later\n'))
    await until('it to be written', () => heard.includes('done'), { deadlineMs: 10_000 })
    const copy = join(sandboxes.directory, 'adopted.img')
    await writeFile(copy, '', { mode: 0o600 })
    await adopted.copyVolume('vol0', copy)
    await adopted.kill()
    await run('e2fsck', ['-fp', copy]).catch((error) =>
      assert.match(messageOf(error), /exit code 1|ended with 1/),
    )
  })

  await t.test(
    'a copy is the volume at a moment, while it is written to, and is empty where it is',
    async () => {
      const path = await sandboxes.volume(256 * MiB)
      const sandbox = await writing(path)
      const { output } = await start(
        sandbox,
        1,
        'echo before > /v/before; dd if=/dev/urandom of=/v/big bs=1M count=8 2>/dev/null; echo ready; i=0; while :; do i=$((i+1)); mkdir /v/$i; echo $i > /v/$i/x; rm -rf /v/$((i-50)); done',
      )
      await until('it to write', () => output.stdout === 'ready\n', { deadlineMs: 20_000 })
      for (const round of [1, 2]) {
        const copy = join(sandboxes.directory, `copy${round}.img`)
        await writeFile(copy, '', { mode: 0o600 })
        await sandbox.copyVolume('vol0', copy)
        const { size, blocks } = await stat(copy)
        assert.equal(size, 256 * MiB)
        assert.ok(blocks * 512 < 64 * MiB, `${blocks} blocks`)
        assert.deepEqual(await ownerOf(copy), [0, 0, 0o600])
        // As after a power cut: the journal is replayed, and then there is nothing to repair.
        await run('e2fsck', ['-E', 'journal_only', '-p', copy])
        await run('e2fsck', ['-fn', copy])
        assert.match((await run('debugfs', ['-R', 'cat /_data/before', copy])).stdout, /before/)
      }
      await sandbox.kill()
    },
  )

  await t.test('a copy that cannot be made is an error, and can be tried again', async () => {
    const path = await sandboxes.volume()
    const sandbox = await writing(path)
    await assert.rejects(sandbox.copyVolume('vol1', '/nonexistent'), (error) =>
      hasCode(error, 'no_such_volume'),
    )
    await assert.rejects(sandbox.copyVolume('vol0', '/nonexistent/x'))
    const copy = join(sandboxes.directory, 'again.img')
    await writeFile(copy, '')
    await sandbox.copyVolume('vol0', copy)
    await sandbox.kill()
  })

  await t.test('a volume grows while it is mounted', async () => {
    const path = await sandboxes.volume(64 * MiB)
    const sandbox = await writing(path)
    const { process, output } = await start(
      sandbox,
      1,
      'read go; df -k /v | tail -1; dd if=/dev/zero of=/v/big bs=1M count=100 && echo fits',
    )
    await truncate(path, 192 * MiB)
    await sandbox.growVolume('vol0', 192 * MiB)
    await process.writeStdin(Buffer.from('\n'))
    assert.equal((await process.exited).code, 0, output.stderr)
    assert.match(output.stdout, /fits/)
    await sandbox.shutdown()
    await run('e2fsck', ['-fn', path])
  })

  await t.test('nothing is left of any of them', async () => {
    await until('the last to end', () => sandboxes.running() === 0, { deadlineMs: 10_000 })
    await until('the last to be cleared away', async () => (await sandboxes.remains()).length === 0, {
      deadlineMs: 10_000,
    })
    assert.ok(!(await readdir(sandboxes.directory)).some((name) => name.endsWith('.size')))
  })
})
