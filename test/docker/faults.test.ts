/** What the host can do to the daemon: a full disk, a damaged store, templates that are gone, SIGTERM; and what a crowd of clients costs. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkout } from '../../scripts/setup/artifacts.mjs'
import { until } from '../../src/lib/deadline.ts'
import { run } from '../../src/lib/spawn.ts'
import { MiB } from '../../src/lib/units.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { daemon, docker } = await startCloud({
  images: ['busybox'],
  stateBytes: 200 * MiB,
  args: ['--on-exit', 'stop', '--backup-seconds', '2'],
})
const state = join(daemon.stateDir, 'state')

/** Until there is no room for one byte more. Answers how to make room again. */
function fill(): () => void {
  const path = join(state, 'filler')
  const fd = openSync(path, 'w')
  try {
    for (let bytes = MiB; bytes >= 1; ) {
      try {
        if (writeSync(fd, Buffer.alloc(bytes)) < bytes) throw new Error('a part')
      } catch {
        bytes = Math.floor(bytes / 16)
      }
    }
  } finally {
    closeSync(fd)
  }
  return () => rmSync(path)
}

/** A copy that knows all that has been written until now: of the next second one at the earliest. */
const copied = async () => {
  const now = new Date().toISOString().replace(/[-:.]/g, '')
  const names = () => readdirSync(join(state, 'backups')).filter((name) => name.endsWith('-regular.sqlite'))
  await docker.ok(['volume', 'create', 'written'])
  await docker.ok(['volume', 'rm', 'written'])
  await until('a copy of the store', () => names().some((name) => name > now), patience)
}

const there = async () => ({
  volumes: await docker.ok(['volume', 'ls', '--quiet']),
  images: await docker.ok(['images', '--quiet']),
})

test('on a full disk what needs room is refused by that name, the rest works, and all goes on when there is room', async () => {
  await using container = await docker.container(
    '-v',
    'kept:/data',
    'busybox',
    'sh',
    '-c',
    'echo up; sleep 100000',
  )
  await container.says('up')
  await using other = await docker.container('busybox', 'sleep', '100000')
  const before = await there()
  const makeRoom = fill()
  try {
    const full = /no space left on device/i
    for (const args of [
      ['volume', 'create', 'new'],
      ['import', join(checkout, 'README.md'), 'new'],
    ]) {
      const refused = await docker.run(args)
      assert.notEqual(refused.code, 0, args.join(' '))
      assert.match(refused.stderr, full, args.join(' '))
    }
    // A clone that waits may have all that it needs.
    const ran = await docker.run(['run', '--rm', 'busybox', 'true'])
    if (ran.code !== 0) assert.match(ran.stderr, full)
    assert.deepEqual(await there(), before)
    const wrote = await docker.run([
      'exec',
      container.id,
      'dd',
      'if=/dev/zero',
      'of=/data/x',
      'bs=1M',
      'count=20',
      'conv=fsync',
    ])
    assert.notEqual(wrote.code, 0, 'a volume has no room either')
    assert.equal(await container.exec('echo', 'still here'), 'still here')
    assert.match(await container.logs(), /^up/)
    await docker.ok(['stop', '-t', '0', container.id])
    await docker.ok(['rm', '--force', other.id])
  } finally {
    makeRoom()
  }
  assert.equal(await docker.ok(['run', '--rm', 'busybox', 'echo', 'room']), 'room')
  await docker.ok(['start', container.id])
  await docker.ok(['volume', 'create', 'new'])
  await docker.ok(['volume', 'rm', 'new'])
  assert.doesNotMatch(daemon.log, /by a fault of ours/)
})

test('templates that are deleted, and their keepers, are made anew', async () => {
  const templates = () => readdirSync(daemon.templateDir).map((name) => join(daemon.templateDir, name))
  for (const template of templates()) {
    process.kill(JSON.parse(readFileSync(join(template, 'keeper.json'), 'utf8')).pid, 'SIGKILL')
    rmSync(join(template, 'state'))
  }
  // Of these the first may still have a clone that was ready.
  for (const word of ['one', 'two', 'three'])
    assert.equal(await docker.ok(['run', '--rm', 'busybox', 'echo', word]), word)
  assert.match(daemon.log, /making another/)
})

test('a store that is damaged starts no daemon; repaired from its copy, it has the containers that run', async () => {
  await using container = await docker.container('busybox', 'sh', '-c', 'echo up; sleep 100000')
  await container.says('up')
  // A daemon that ends makes a copy; one without containers to stop ends at once.
  const pid = await container.inspect('{{.State.Pid}} {{.State.StartedAt}}')
  await copied()
  await daemon.kill9()
  const fd = openSync(join(state, 'state.sqlite'), 'r+')
  writeSync(fd, Buffer.alloc(100, 0xa5), 0, 100, 0)
  closeSync(fd)
  // It has the head of the store too.
  truncateSync(join(state, 'state.sqlite-wal'))
  await assert.rejects(daemon.launch(), /is damaged[\s\S]*hb repair/)
  const { stdout } = await run(join(checkout, 'bin/hb'), [
    'repair',
    '--state-dir',
    state,
    '--runtime-dir',
    daemon.runtimeDir,
  ])
  assert.match(stdout, /Put back: .*backups/)
  await daemon.launch()
  assert.equal(await container.inspect('{{.State.Pid}} {{.State.StartedAt}}'), pid)
  assert.equal(await container.exec('echo', 'still here'), 'still here')
})

test('many idle connections and attached clients cost little, and are all gone when they go', async () => {
  const rssMiB = () =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))![1]) / 1024
  const descriptors = () => readdirSync(`/proc/${daemon.pid}/fd`).length
  await using container = await docker.container('busybox', 'sh', '-c', 'echo up; sleep 100000')
  await container.says('up')
  const before = { rss: rssMiB(), descriptors: descriptors() }
  const open = async (text: string, answer: RegExp): Promise<Socket> => {
    const socket = connect(daemon.socket)
    let said = ''
    socket.on('data', (bytes) => {
      said += bytes
    })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(text)
    if (text !== '') await until('an answer', () => answer.test(said), patience)
    return socket
  }
  const sockets: Socket[] = []
  const many = async (count: number, text: string, answer: RegExp) => {
    for (let n = 0; n < count; n += 50)
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => open(text, answer)))))
  }
  try {
    await many(1_000, 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n', /200 OK/)
    const idle = rssMiB() - before.rss
    const attach = `POST /containers/${container.id}/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
    await many(200, attach, /101 UPGRADED/)
    const all = rssMiB() - before.rss
    process.stdout.write(
      `# 1,000 idle connections: ${idle.toFixed(0)} MiB; with 200 attached: ${all.toFixed(0)} MiB\n`,
    )
    assert.ok(all < 96, `1,000 connections and 200 attached clients cost ${all.toFixed(0)} MiB`)
    assert.equal(await container.exec('echo', 'served'), 'served')
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  await until('their descriptors to be free', () => descriptors() <= before.descriptors + 4, patience)
})

test('what a client says in confidence is in no log, no command line and no dump of memory', async () => {
  const secret = 'correct-horse-battery'
  const auth = Buffer.from(JSON.stringify({ username: 'u', password: secret })).toString('base64url')
  await using container = await docker.container(
    '-e',
    `TOKEN=${secret}`,
    '-l',
    `x=${secret}`,
    'busybox',
    'sleep',
    '100000',
  )
  await container.exec('true')
  await docker.run(['exec', '-e', `T=${secret}`, container.id, 'true'])
  const socket = connect(daemon.socket)
  let said = ''
  socket.on('data', (bytes) => {
    said += bytes
  })
  socket.write(
    `POST /images/create?fromImage=127.0.0.1:1/x&tag=1 HTTP/1.1\r\nHost: x\r\nX-Registry-Auth: ${auth}\r\nContent-Length: 0\r\n\r\n`,
  )
  await until('the refusal', () => said.includes('HTTP/1.1'), patience)
  socket.destroy()
  assert.ok(!daemon.log.includes(secret) && !daemon.log.includes(auth), 'the log has it')
  for (const { pid } of [...daemon.sandboxes(), { pid: daemon.pid }]) {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8')
    assert.ok(!text.includes(secret), `process ${pid} shows it`)
  }
  assert.equal(readFileSync(`/proc/${daemon.pid}/coredump_filter`, 'utf8').trim(), '00000000')
  const limits = readFileSync(`/proc/${daemon.sandboxOf(container.id)}/limits`, 'utf8')
  assert.match(limits, /^Max core file size\s+0\s+0/m)
})

test('with --on-exit stop SIGTERM stops all containers, and policies start them again', async () => {
  await using plain = await docker.container('--stop-timeout', '1', 'busybox', 'sleep', '100000')
  await using policed = await docker.container(
    '--restart',
    'unless-stopped',
    '--stop-timeout',
    '1',
    'busybox',
    'sleep',
    '100000',
  )
  await docker.ok(['update', '--restart', 'no', plain.id])
  await daemon.stop()
  assert.deepEqual(
    daemon.sandboxes().filter(({ command }) => command.includes(policed.id.slice(0, 24))),
    [],
  )
  await daemon.launch()
  assert.match(await plain.inspect('{{.State.Status}} {{.State.ExitCode}}'), /^exited (137|143)$/)
  await until(
    'the other to run',
    async () => (await policed.inspect('{{.State.Status}}')) === 'running',
    patience,
  )
})
