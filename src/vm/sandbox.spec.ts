import assert from 'node:assert/strict'
import { open, readFile, readlink, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import { hasCode } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { silentLog } from '../lib/log.ts'
import { isAlive } from '../lib/processes.ts'
import { MiB } from '../lib/units.ts'
import { finish, hostStatus, needsRoot, Sandboxes, smallSize, start } from './support/real.ts'

/** The file is padded to the size of a disk; what is in it is less. */
async function beginning(path: string): Promise<Buffer> {
  const file = await open(path)
  try {
    return (await file.read(Buffer.alloc(2 * MiB), 0, 2 * MiB, 0)).buffer
  } finally {
    await file.close()
  }
}

test('sandboxes', needsRoot, async (t) => {
  await using sandboxes = await Sandboxes.open(
    process.env.HB_TEST_LOG ? { ...silentLog, ...console } : silentLog,
  )

  await t.test('a process runs, reads, writes and ends in one', async () => {
    const sandbox = await sandboxes.container()
    const { process, output } = await start(sandbox, 1, 'echo hello; echo oops >&2; cat; exit 7')
    await process.writeStdin(Buffer.from('and input\n'))
    await process.endStdin()
    const { code, signal } = await process.exited
    assert.deepEqual(
      { code, signal, ...output },
      { code: 7, signal: 0, stdout: 'hello\nand input\n', stderr: 'oops\n' },
    )
    await sandbox.shutdown()
    assert.equal((await sandbox.ended).reason, 'shutdown')
  })

  await t.test(
    'clones of one template differ in all that must differ, and have the time of the host',
    async () => {
      const seen: string[] = []
      for (const hostname of ['one', 'two', 'three']) {
        const sandbox = await sandboxes.container({ hostname })
        const before = Date.now()
        const { output } = await finish(sandbox, 1, 'facts; head -c 16 /dev/urandom | md5sum')
        const [random, bootId, time, urandom] = output.stdout.split('\n') as [string, string, string, string]
        const now = Number(time) / 1e6
        assert.ok(
          now > before - 50 && now < Date.now() + 50,
          `${now} is not between ${before} and ${Date.now()}`,
        )
        seen.push(random, bootId, urandom)
        await sandbox.kill()
      }
      assert.equal(new Set(seen).size, 9, seen.join('\n'))
    },
  )

  await t.test('what is written is there again when the disk is put behind another clone', async () => {
    const id = newId()
    const first = await sandboxes.container({ id })
    await finish(first, 1, 'echo kept > /note; dd if=/dev/zero of=/big bs=1M count=8')
    await first.shutdown()
    const second = await sandboxes.container({ id, fresh: false })
    assert.equal(second.handle.scratchDisk, 'kept')
    assert.equal((await finish(second, 1, 'cat /note; stat -c %s /big')).output.stdout, 'kept\n8388608\n')
    await second.kill()
  })

  await t.test('a container cannot write to its image', async () => {
    const before = await beginning(sandboxes.image)
    const sandbox = await sandboxes.container()
    await finish(
      sandbox,
      1,
      'echo x > /bin/busybox2; for d in /dev/vd*; do dd if=/dev/zero of=$d bs=4k count=1; done; rm -rf /bin/ls',
    )
    await sandbox.shutdown()
    assert.ok((await beginning(sandboxes.image)).equals(before))
    const next = await sandboxes.container()
    assert.equal((await finish(next, 1, 'ls /bin/ls')).exit.code, 0)
    await next.kill()
  })

  await t.test('a paused one stands still, and then has the time again', async () => {
    const sandbox = await sandboxes.container()
    const { process, output } = await start(sandbox, 1, 'while read line; do facts; done')
    await sandbox.pause()
    const pausedAt = Date.now()
    await until('time to pass', () => Date.now() - pausedAt > 300, { deadlineMs: 5_000 })
    await sandbox.resume()
    await process.writeStdin(Buffer.from('\n'))
    const lines = await until(
      'an answer',
      () => (output.stdout.split('\n').length > 3 ? output.stdout.split('\n') : undefined),
      { deadlineMs: 5_000 },
    )
    const behindMs = Date.now() - Number(lines[2]) / 1e6
    assert.ok(behindMs > -50 && behindMs < 250, `${behindMs} ms behind`)
    await sandbox.kill()
    await assert.rejects(process.exited, (error) => hasCode(error, 'sandbox_gone'))
  })

  await t.test('a frozen container stands still while its guest answers, and can be ended', async () => {
    const sandbox = await sandboxes.container()
    const { id } = sandbox.handle
    const { process, output } = await start(sandbox, 1, 'while read line; do echo $line; done')
    await sandbox.freeze(id)
    await process.writeStdin(Buffer.from('hello\n'))
    await assert.rejects(start(sandbox, 2, 'true'), /is frozen/)
    const frozenAt = Date.now()
    await until('time to pass', () => Date.now() - frozenAt > 300, { deadlineMs: 5_000 })
    await sandbox.stats(id)
    assert.equal(output.stdout, '')
    await sandbox.thaw(id)
    await until('an answer', () => output.stdout === 'hello\n', { deadlineMs: 5_000 })
    assert.equal((await finish(sandbox, 2, 'echo runs')).output.stdout, 'runs\n')
    await sandbox.freeze(id)
    await process.signal(9)
    assert.equal((await process.exited).signal, 9)
    await sandbox.freeze(id)
    await sandbox.shutdown()
    assert.equal((await sandbox.ended).reason, 'shutdown')
  })

  await t.test('the next daemon takes one up where the last one was', async () => {
    const sandbox = await sandboxes.container()
    const { process } = await start(sandbox, 1, 'echo before; read line; echo "after $line"; exit 5')
    const old = sandboxes.provider
    await old.close()
    const next = await sandboxes.daemon()
    const adopted = await next.adopt(sandbox.handle)
    const [known] = adopted.adoptable()
    assert.deepEqual([known?.id, known?.main, known?.container], [1, true, sandbox.handle.id])
    let heard = ''
    const again = adopted.adoptProcess(
      1,
      {
        write: (_, chunk) => {
          heard += chunk
        },
      },
      { stdout: 7, stderr: 0 },
    )
    assert.equal(again.pid, process.pid)
    await again.writeStdin(Buffer.from('all\n'))
    assert.equal((await again.exited).code, 5)
    assert.equal(heard, 'after all\n')
    await adopted.shutdown()
    await assert.rejects(next.adopt(sandbox.handle), (error) => hasCode(error, 'sandbox_gone'))
  })

  await t.test('a paused one is paused still for the next daemon', async () => {
    const sandbox = await sandboxes.container()
    await start(sandbox, 1, 'sleep 1000')
    await sandbox.pause()
    await sandboxes.provider.close()
    const adopted = await (await sandboxes.daemon()).adopt(sandbox.handle)
    await adopted.resume()
    assert.equal((await adopted.tasks(sandbox.handle.id)).length, 1)
    await adopted.kill()
  })

  await t.test('tasks and statistics are those of the container', async () => {
    const sandbox = await sandboxes.container()
    const before = Date.now()
    await start(sandbox, 1, 'sleep 1000 & sleep 1000')
    const tasks = await until(
      'both to run',
      async () => {
        const list = await sandbox.tasks(sandbox.handle.id)
        return list.filter(({ command }) => command === 'sleep 1000').length === 2 ? list : undefined
      },
      { deadlineMs: 5_000 },
    )
    assert.ok(
      tasks.every(({ startedAt }) => Math.abs(startedAt.getTime() - before) < 5_000),
      JSON.stringify(tasks),
    )
    const stats = await sandbox.stats(sandbox.handle.id)
    assert.equal(stats.pids.current, tasks.length)
    assert.equal(stats.memory.limitBytes, smallSize.memoryMiB * 1024 * 1024)
    assert.ok(stats.memory.usageBytes > 0 && stats.cpu.sandboxNs > stats.cpu.totalNs)
    await sandbox.kill()
  })

  await t.test('one whose machine was ended from outside has crashed', async () => {
    const sandbox = await sandboxes.claim()
    await sandbox.configure({ hostname: 'h', interfaces: [], sysctls: {} })
    process.kill(sandbox.handle.pid, 'SIGKILL')
    assert.equal((await sandbox.ended).reason, 'crashed')
  })

  await t.test(
    'each process of a sandbox is a user without privileges, in a network of its own, with seccomp on',
    async () => {
      const [one, two] = [await sandboxes.claim(), await sandboxes.claim()]
      const uids = new Set<string>()
      for (const { handle } of [one, two]) {
        const status = await hostStatus(handle.pid)
        uids.add(status.get('Uid')!)
        assert.match(status.get('Uid')!, /^2\d{5}\t/)
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
          assert.equal(status.get(set), '0000000000000000', set)
        assert.deepEqual([status.get('NoNewPrivs'), status.get('Seccomp')], ['1', '2'])
        assert.notEqual(await readlink(`/proc/${handle.pid}/ns/net`), await readlink('/proc/self/ns/net'))
        assert.equal(await readFile(`/proc/${handle.pid}/environ`, 'utf8'), '')
        assert.equal((await stat(handle.directory)).mode & 0o777, 0o700)
      }
      assert.equal(uids.size, 2)
      await Promise.all([one.kill(), two.kill()])
    },
  )

  await t.test('claims at the same time get a machine each', async () => {
    const claims = await Promise.all([sandboxes.claim(), sandboxes.claim(), sandboxes.claim()])
    assert.equal(new Set(claims.map(({ handle }) => handle.pid)).size, 3)
    await Promise.all(claims.map((sandbox) => sandbox.kill()))
  })

  await t.test('a claim that is cancelled, or whose image is missing, leaves nothing', async () => {
    const id = newId()
    const request = {
      id,
      size: smallSize,
      network: null,
      image: '/nonexistent',
      scratch: { path: sandboxes.scratch(id), fresh: true },
      volumes: [],
    }
    await assert.rejects(sandboxes.provider.claim(request))
    await assert.rejects(
      sandboxes.provider.claim({ ...request, image: sandboxes.image }, { signal: AbortSignal.abort() }),
    )
    await assert.rejects(stat(sandboxes.scratch(id)), { code: 'ENOENT' })
  })

  await t.test('what no container keeps is ended by the next daemon', async () => {
    const [kept, lost] = [await sandboxes.container(), await sandboxes.container()]
    await start(kept, 1, 'sleep 1000')
    await sandboxes.provider.close()
    const next = await sandboxes.daemon()
    const adopted = await next.adopt(kept.handle)
    await next.sweep(new Set([kept.handle.id]))
    assert.ok(!isAlive(lost.handle))
    assert.equal(sandboxes.running(), 1)
    await adopted.kill()
  })

  await t.test('nothing is left of any of them', async () => {
    await until('the last to end', () => sandboxes.running() === 0, { deadlineMs: 10_000 })
    await until('the last to be cleared away', async () => (await sandboxes.remains()).length === 0, {
      deadlineMs: 10_000,
    })
  })
})
