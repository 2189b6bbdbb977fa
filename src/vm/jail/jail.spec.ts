/**
 * What a QEMU could do that belongs to an attacker. A debugger makes a real one call into the kernel: same user, same
 * seccomp filter, mounts, namespaces and cgroup as any other, for it is one.
 */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Sandbox } from '../../engine/ports/sandbox.ts'
import { within } from '../../lib/deadline.ts'
import { messageOf } from '../../lib/errors.ts'
import { run } from '../../lib/spawn.ts'
import { secondMs } from '../../lib/units.ts'
import { needsRoot, Sandboxes } from '../support/real.ts'
import { confinementOf } from './confinement.ts'

/** Each call's result and errno. A call that the filter answers with death leaves nothing behind it. */
async function calls(
  sandbox: Sandbox,
  expressions: readonly string[],
): Promise<[result: number, errno: number][]> {
  const { stdout } = await run('sh', [
    // A process that dies of the filter in its hands can take the debugger with it.
    ...[
      '-c',
      'ulimit -c 0; exec gdb "$@"',
      'gdb',
      '-nx',
      '-q',
      '-batch',
      '-iex',
      'set debuginfod enabled off',
      '-p',
      String(sandbox.handle.pid),
    ],
    ...expressions.flatMap((expression) => [
      ...['-ex', `print (long)${expression}`],
      ...['-ex', 'print *(int*)__errno_location()'],
    ]),
  ])
  const values = [...stdout.matchAll(/^\$\d+ = (-?\d+)$/gm)].map((match) => Number(match[1]))
  assert.equal(values.length, 2 * expressions.length, stdout)
  return expressions.map((_, at) => [values[2 * at]!, values[2 * at + 1]!])
}

const EACCES = 13
const ENOENT = 2
const EPERM = 1
const EROFS = 30
const ESRCH = 3

test('a QEMU that belongs to an attacker', needsRoot, async (t) => {
  await using sandboxes = await Sandboxes.open()
  const [own, other] = [await sandboxes.claim(), await sandboxes.claim()]
  const secret = join(sandboxes.directory, 'secret')
  await writeFile(secret, 'of the host', { mode: 0o644 })

  await t.test('is confined in every field that can be read back', () => {
    const { uid } = statSync(own.handle.directory)
    const fields = confinementOf(own.handle.pid, uid)
    assert.ok(fields.length >= 15)
    assert.deepEqual(
      fields.filter(({ holds }) => !holds),
      [],
    )
  })

  await t.test('finds no file of the host, of another sandbox, or of another process', async () => {
    const there = ['/usr/bin/qemu-system-x86_64', '/s/qmp.sock']
    const absent = [
      ...[
        '/etc/passwd',
        '/bin/sh',
        '/root',
        '/var/lib',
        '/dev/mem',
        '/dev/kmsg',
        '/sys',
        '/proc/1',
        '/proc/cmdline',
        '/proc/kcore',
      ],
      ...[
        secret,
        sandboxes.image,
        sandboxes.directory,
        other.handle.directory,
        sandboxes.scratch(other.handle.id),
      ],
      ...[
        `/s/../${other.handle.directory}`,
        `/proc/${process.pid}/root/etc/passwd`,
        `/proc/${other.handle.pid}/root`,
      ],
      ...[
        '/proc/self/root/etc/passwd',
        '/proc/self/cwd/etc',
        '/old/etc',
        '/s/nic.json/..',
        `/d/${other.handle.id.slice(0, 24)}`,
      ],
    ]
    const answers = await calls(
      own,
      [...there, ...absent].map((path) => `access("${path}", 0)`),
    )
    for (const [at, path] of there.entries()) assert.equal(answers[at]![0], 0, path)
    for (const [at, path] of absent.entries()) {
      const [result, errno] = answers[there.length + at]!
      assert.equal(result, -1, path)
      assert.ok([ENOENT, EACCES, 20].includes(errno), `${path}: errno ${errno}`)
    }
  })

  await t.test('makes and changes no file but in its own directory of sockets', async () => {
    const create = (path: string) => `open("${path}", 0102, 0600)`
    const answers = await calls(own, [
      ...['/x', '/usr/x', '/dev/x', '/d/x', '/tmp/x'].map(create),
      'open("/usr/bin/qemu-system-x86_64", 1)',
      'chmod("/usr/bin/qemu-system-x86_64", 0777)',
      'link("/s/qmp.sock", "/d/qmp.sock")',
      'mknod("/s/disk", 060600, 0xfe00)',
    ])
    for (const [result, errno] of answers) {
      assert.equal(result, -1)
      assert.ok([EACCES, EPERM, EROFS, ENOENT, 18].includes(errno), String(errno))
    }
  })

  await t.test('cannot change the memory that later clones are made of', async () => {
    // Descriptor 3 is the template's memory; QEMU opens it for writing, as for its private copy.
    const answers = await calls(own, [
      'open("/proc/self/fd/3", 2)',
      'pwrite(3, "poison", 6, 0)',
      'ftruncate(3, 0)',
      'mmap(0, 4096, 3, 1, 3, 0)',
    ])
    assert.ok(answers[0]![0] > 0)
    for (const [at, [result]] of answers.entries()) if (at > 0) assert.equal(result, -1)
    const again = await calls(own, [
      `pwrite(${answers[0]![0]}, "poison", 6, 0)`,
      `mmap(0, 4096, 3, 1, ${answers[0]![0]}, 0)`,
    ])
    for (const [result, errno] of again) assert.deepEqual([result, errno], [-1, EPERM])
  })

  await t.test('signals and traces no other process, and gains nothing', async () => {
    const answers = await calls(own, [
      ...['kill(1, 0)', `kill(${process.pid}, 0)`, `kill(${other.handle.pid}, 0)`, 'ptrace(16, 1, 0, 0)'],
      ...['umount("/s")', 'chroot("/s")', 'sethostname("x", 1)', 'setgroups(0, 0)'],
      ...['setpriority(0, 0, -20)', 'sched_setscheduler(0, 1, "\\1\\0\\0\\0")'],
    ])
    for (const [result, errno] of answers) {
      assert.equal(result, -1)
      assert.ok([EPERM, ESRCH].includes(errno), String(errno))
    }
  })

  await t.test('sees an empty network when its container has none', async () => {
    const devices = (await readFile(`/proc/${own.handle.pid}/net/dev`, 'utf8')).match(/^ *\S+(?=:)/gm)
    assert.deepEqual(
      devices?.map((name) => name.trim()),
      ['lo'],
    )
  })

  for (const call of [
    'fork()',
    'execl("/usr/bin/dash", "dash", 0)',
    'setuid(0)',
    'mount("a", "/s", "tmpfs", 0, 0)',
  ]) {
    await t.test(`does not survive ${call}`, async () => {
      const victim = await sandboxes.claim()
      // The debugger may complain that what it looked at is gone.
      await calls(victim, [call]).catch(messageOf)
      const { reason } = await within(victim.ended, 20 * secondMs, `the end of a QEMU that called ${call}`)
      assert.equal(reason, 'crashed')
    })
  }
})
