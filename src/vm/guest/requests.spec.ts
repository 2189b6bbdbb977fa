import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../lib/errors.ts'
import { addressBytes } from './addresses.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { tags } from './protocol.ts'
import { containerFields, startFields } from './requests.ts'
import { statsOf, taskOf } from './stats.ts'

const read = (fields: FieldWriter) => new FieldReader(fields.toBuffer())

test('addresses are the bytes the kernel has', () => {
  const hex = (text: string) => addressBytes(text).toString('hex')
  assert.equal(hex('10.0.0.255'), '0a0000ff')
  assert.equal(hex('::'), '0'.repeat(32))
  assert.equal(hex('::1'), `${'0'.repeat(31)}1`)
  assert.equal(hex('fd00:1::2:3'), 'fd000001000000000000000000020003')
  assert.equal(hex('::ffff:1.2.3.4'), `${'0'.repeat(20)}ffff01020304`)
  assert.throws(
    () => addressBytes('1.2.3'),
    (error) => hasCode(error, 'bad_address'),
  )
})

const process = {
  ...{
    id: 1,
    container: 'c',
    main: true,
    init: false,
    tty: false,
    stdin: false,
    args: ['true'],
    env: [],
    cwd: '/',
    user: '',
  },
  ...{ groups: [], noNewPrivileges: false, rlimits: [], oomScoreAdj: -500 },
  capabilities: {
    bounding: ['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE'],
    effective: ['CAP_NET_RAW'],
    inheritable: [],
    ambient: [],
  },
}

test('capabilities and limits go by their numbers in the kernel', () => {
  const fields = read(startFields({ ...process, rlimits: [{ name: 'nofile', soft: 1, hard: -1 }] }))
  assert.equal(fields.u64(tags.capBounding), (1n << 40n) | 1n)
  assert.equal(fields.u64(tags.capEffective), 1n << 13n)
  const [limit] = fields.nested(tags.rlimit)
  assert.deepEqual(
    [limit?.u32(tags.number), limit?.u64(tags.soft), limit?.u64(tags.hard)],
    [7, 1n, 2n ** 64n - 1n],
  )
  assert.equal(fields.u32(tags.oomScoreAdj) | 0, -500)
  assert.throws(
    () => startFields({ ...process, rlimits: [{ name: 'nope', soft: 1, hard: 1 }] }),
    /ulimit type: nope/,
  )
})

test('options of a tmpfs are flags where the kernel has flags for them', () => {
  const container = {
    ...{
      id: 'c',
      hostname: 'h',
      domainname: '',
      readonlyRoot: false,
      privileged: false,
      files: [],
      maskedPaths: [],
      mounts: [],
      readonlyPaths: [],
    },
    ...{
      shmBytes: 1,
      sysctls: {},
      limits: { memoryBytes: 0, cpuQuotaUs: 0, cpuPeriodUs: 0, cpuWeight: 0, pids: 0 },
    },
    tmpfs: [{ path: '/t', options: 'rw,noexec,nosuid,size=64k,mode=1777' }],
  }
  const [tmpfs] = read(containerFields(container, 'scratch')).nested(tags.tmpfs)
  assert.equal(tmpfs?.u64(tags.flags), 10n)
  assert.equal(tmpfs?.text(tags.value), 'size=64k,mode=1777')
})

test("statistics are the kernel's, and nonsense in their place is nothing", () => {
  const texts = {
    'cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 2\n',
    'memory.current': '4096\n',
    'memory.max': 'max\n',
    'memory.stat': 'anon 10\nfile 20\n',
    'pids.current': '3\n',
    'pids.max': 'max\n',
    'io.stat': '254:0 rbytes=10 wbytes=20 rios=1 wios=2\n254:16 rbytes=5 wbytes=0 rios=1 wios=0\n',
    'net.dev':
      'Inter-|\n face |\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 11 2 0 0 0 0 0 0 33 4 0 1 0 0 0 0\n',
    online: '1',
  }
  const fields = new FieldWriter()
  for (const [name, value] of Object.entries(texts))
    fields.nested(tags.text, (inside) => inside.text(tags.name, name).text(tags.value, value))
  const stats = statsOf(read(fields), new Date(0))
  const { sandboxNs, ...cpu } = stats.cpu
  assert.deepEqual(cpu, {
    ...{ totalNs: 1.5e6, userNs: 1e6, systemNs: 5e5, online: 1 },
    ...{ periods: 2, throttledPeriods: 0, throttledNs: 0 },
  })
  const later = statsOf(read(fields), new Date(0)).cpu.sandboxNs
  assert.ok(later > sandboxNs && later - sandboxNs < 1e9)
  assert.deepEqual(stats.io, { readBytes: 15, writeBytes: 20, reads: 2, writes: 2 })
  assert.deepEqual(Object.keys(stats.interfaces), ['eth0'])
  assert.deepEqual([stats.interfaces.eth0?.rxBytes, stats.interfaces.eth0?.txDropped], [11, 1])
  const nonsense = new FieldWriter().nested(tags.text, (inside) =>
    inside.text(tags.name, 'memory.current').text(tags.value, '-1e999x'),
  )
  assert.equal(statsOf(read(nonsense), new Date(0)).memory.usageBytes, 0)
})

test('a task with brackets in its name is read all the same', () => {
  const rest = 'S 1 5 5 34816 5 0 0 0 0 0 150 50 0 0 20 0 1 0 1000 4096000 100 0'
  const fields = new FieldWriter()
    .u32(tags.pid, 5)
    .nested(tags.text, (inside) => inside.text(tags.name, 'stat').text(tags.value, `5 (a) b) ${rest}`))
    .text(tags.value, 'sleep\u000060\u0000')
  const task = taskOf(read(fields), 0)
  assert.deepEqual(
    { ...task, startedAt: task.startedAt.getTime() },
    {
      pid: 5,
      ppid: 0,
      uid: 0,
      cpuSeconds: 2,
      startedAt: 10_000,
      tty: 'pts/0',
      state: 'S',
      rssKiB: 400,
      vszKiB: 4000,
      command: 'sleep 60',
      name: 'a) b',
    },
  )
})
