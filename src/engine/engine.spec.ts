import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import { internal } from '../lib/errors.ts'
import { noAttachment } from './networks/attachments.ts'
import { scope, TestEngine, textOf } from './support/test-engine.ts'

const deadline = { deadlineMs: 5_000 }

test('a container runs, says something, exits, and its log and code remain', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('echo hello there')
  const session = await t.attach(id)
  const exit = t.wait(id, 'next-exit')
  await t.engine.containers.start(scope, id)
  assert.equal(await textOf(session.output), 'hello there\n')
  assert.deepEqual(await exit, { exitCode: 0, error: '' })
  assert.equal((await t.state(id)).status, 'exited')
  assert.equal(await t.logs(id), 'hello there\n')
  await until('the sandbox is shut down', () => t.sandboxes.last.isOver === 'shutdown', deadline)
  await until('the port is released', () => t.networks.ports.size === 0, deadline)
})

test('a container that removes itself is gone when its wait is answered', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('exit 3', { autoRemove: true })
  const removed = t.wait(id, 'removed')
  await t.engine.containers.start(scope, id)
  assert.deepEqual(await removed, { exitCode: 3, error: '' })
  await assert.rejects(t.engine.containers.get(scope, id), {
    kind: 'not_found',
    message: `No such container: ${id}`,
  })
  await until('its sandbox is killed', () => t.sandboxes.last.isOver === 'killed', deadline)
  await until('its files are gone', () => !existsSync(join(t.directory, 'containers', id)), deadline)
})

test('the guest is told what the image and the request make together', async () => {
  await using t = await TestEngine.create()
  await t.run('sleep', {
    env: ['A=1'],
    hostname: 'box',
    extraHosts: ['db:192.0.2.9', 'host:host-gateway'],
    tty: true,
    consoleSize: { rows: 24, columns: 80 },
  })
  const { configuration, container, main } = t.sandboxes.last
  assert.deepEqual(configuration?.interfaces[0]?.addresses, ['10.0.0.2/24'])
  assert.deepEqual(main.spec.size, { rows: 24, columns: 80 })
  assert.deepEqual(main.spec.env, [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=box',
    'TERM=xterm',
    'A=1',
    'FROM=image',
  ])
  const hosts = container?.files.find(({ path }) => path === '/etc/hosts')?.content
  assert.ok(
    hosts?.startsWith('127.0.0.1\tlocalhost\n') &&
      hosts.endsWith('192.0.2.9\tdb\n10.0.0.1\thost\n10.0.0.2\tbox\n'),
  )
  assert.equal(
    container?.files.find(({ path }) => path === '/etc/resolv.conf')?.content,
    'nameserver 192.0.2.53\n',
  )
})

test('the sandbox of a container can reach its disk, and not what it said', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('echo hello')
  await t.wait(id)
  const mode = (...path: string[]) => statSync(join(t.directory, 'containers', id, ...path)).mode & 0o777
  assert.deepEqual([mode(), mode('logs')], [0o711, 0o700])
})

test('names and ids find a container, and a taken name is refused as by dockerd', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep', { name: 'web' })
  for (const ref of ['web', '/web', id, id.slice(0, 5)]) {
    assert.equal((await t.engine.containers.get(scope, ref)).id, id)
  }
  await assert.rejects(t.create('sleep', { name: 'web' }), {
    kind: 'conflict',
    message: new RegExp(
      `^Conflict. The container name "/web" is already in use by container "${id}". You have to`,
    ),
  })
  await assert.rejects(t.engine.containers.get({ project: 'other' }, 'web'), { kind: 'not_found' })
  await t.engine.containers.rename(scope, 'web', 'api')
  assert.equal((await t.engine.containers.get(scope, 'api')).id, id)
  await t.create('sleep', { name: 'web' })
})

test('starts at the same time are one, and later ones are not modified', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep')
  await Promise.all([1, 2, 3].map(() => t.engine.containers.start(scope, id)))
  assert.equal(t.sandboxes.claimed.length, 1)
  await assert.rejects(t.engine.containers.start(scope, id), { kind: 'not_modified' })
})

test('a program that is not there leaves the container created, with its code, and nothing else', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('missing')
  const session = await t.attach(id)
  await assert.rejects(t.engine.containers.start(scope, id), {
    kind: 'invalid',
    code: 'not_found_in_image',
    message: /exec: "missing": executable file not found in \$PATH: unknown$/,
  })
  const state = await t.state(id)
  assert.deepEqual([state.status, state.exitCode], ['created', 127])
  assert.equal(await textOf(session.output), '')
  assert.equal(t.sandboxes.last.isOver, 'killed')
  assert.equal(t.networks.ports.size, 0)
})

test('a failed claim or port undoes the other, and the container can be started afterwards', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep')
  t.sandboxes.onClaim = () => {
    throw internal('exhausted', 'no memory left')
  }
  await assert.rejects(t.engine.containers.start(scope, id), { message: 'no memory left' })
  assert.equal(t.networks.ports.size, 0)
  t.sandboxes.onClaim = () => {}
  t.networks.onCreate = () => {
    throw internal('port_in_use', 'port is already allocated')
  }
  await assert.rejects(t.engine.containers.start(scope, id), { code: 'port_in_use' })
  assert.equal(t.sandboxes.last.isOver, 'killed')
  t.networks.onCreate = () => {}
  await t.engine.containers.start(scope, id)
  assert.equal((await t.state(id)).status, 'running')
})

test('a container that removes itself is removed also when it could not be started', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('missing', { autoRemove: true })
  await assert.rejects(t.engine.containers.start(scope, id), { code: 'not_found_in_image' })
  await assert.rejects(t.engine.containers.get(scope, id), { kind: 'not_found' })
})

test('a removal by force breaks off a start', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep')
  t.sandboxes.onClaim = (signal) =>
    new Promise((resolve) => {
      // The removal may come before the claim.
      if (signal?.aborted) resolve()
      else signal?.addEventListener('abort', () => resolve())
    })
  const started = t.engine.containers.start(scope, id)
  const refused = assert.rejects(started, {
    kind: 'conflict',
    message: /is being removed: its start was broken off/,
  })
  await until('it is starting', async () => (await t.state(id)).status === 'starting', deadline)
  await t.engine.containers.remove(scope, id, { force: true, volumes: false })
  await refused
  assert.equal(t.networks.ports.size, 0)
  assert.ok(t.sandboxes.claimed.every(({ isOver }) => isOver))
})

test('a kill while it starts waits for the start, and then kills', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep')
  const gate = Promise.withResolvers<void>()
  t.sandboxes.onClaim = () => gate.promise
  const started = t.engine.containers.start(scope, id)
  const killed = t.engine.containers.kill(scope, id, 'KILL')
  gate.resolve()
  await Promise.all([started, killed])
  assert.deepEqual([(await t.state(id)).status, (await t.state(id)).exitCode], ['exited', 137])
})

test('a kill ends a stop that would have waited for ever', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('stubborn')
  const stopped = t.engine.containers.stop(scope, id, { timeoutSeconds: -1 })
  await until('it is told to end', () => t.sandboxes.last.main.signals.includes(15), deadline)
  assert.equal((await t.state(id)).status, 'stopping')
  await t.engine.containers.kill(scope, id, 'SIGKILL')
  await stopped
  assert.equal((await t.state(id)).exitCode, 137)
})

test('a second stop with a shorter time-out wins', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('stubborn')
  const first = t.engine.containers.stop(scope, id, { timeoutSeconds: -1 })
  await until('it is told to end', () => t.sandboxes.last.main.signals.includes(15), deadline)
  await t.engine.containers.stop(scope, id, { timeoutSeconds: 0 })
  await first
  assert.equal((await t.state(id)).exitCode, 137)
})

test('an exit during a stop is the exit that is told', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('stubborn')
  const stopped = t.engine.containers.stop(scope, id, { timeoutSeconds: -1 })
  await until('it is told to end', () => t.sandboxes.last.main.signals.includes(15), deadline)
  t.sandboxes.last.main.exit(7)
  await stopped
  assert.equal((await t.state(id)).exitCode, 7)
  await assert.rejects(t.engine.containers.stop(scope, id, {}), { kind: 'not_modified' })
})

test('an exit that comes while it is paused is recorded, and its disk is written', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  await t.engine.containers.pause(scope, id)
  assert.equal((await t.state(id)).status, 'paused')
  t.sandboxes.last.main.exit(0)
  await until('it has exited', async () => (await t.state(id)).status === 'exited', deadline)
  await until('its sandbox is shut down', () => t.sandboxes.last.isOver === 'shutdown', deadline)
})

test('signals to a paused container wait for it, and a stop lets it run to hear them', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  await t.engine.containers.pause(scope, id)
  await t.engine.containers.kill(scope, id, 'USR1')
  assert.deepEqual(t.sandboxes.last.main.signals, [])
  assert.ok((await t.engine.containers.stats(scope, id)).at)
  await t.engine.containers.unpause(scope, id)
  assert.deepEqual(t.sandboxes.last.main.signals, [10])
  await t.engine.containers.pause(scope, id)
  await t.engine.containers.stop(scope, id, {})
  assert.equal((await t.state(id)).exitCode, 143)
})

test('a removal without force is refused in the words of dockerd, and one with force is not', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('stubborn', { name: 'box' })
  await assert.rejects(t.engine.containers.remove(scope, id, { force: false, volumes: false }), {
    kind: 'conflict',
    message:
      'cannot remove container "/box": container is running: stop the container before removing or force remove',
  })
  const removed = t.wait(id, 'removed')
  await t.engine.containers.remove(scope, id, { force: true, volumes: false })
  assert.equal((await removed).exitCode, 137)
  assert.equal(t.networks.ports.size, 0)
  assert.ok(!existsSync(join(t.directory, 'containers', id)))
})

test('a removal that failed can be asked for again, also when the sandbox has ended meanwhile', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  const sandbox = t.sandboxes.last
  const kill = sandbox.kill.bind(sandbox)
  sandbox.kill = async () => {
    throw internal('no_kill', 'the process cannot be killed')
  }
  const remove = () => t.engine.containers.remove(scope, id, { force: true, volumes: false })
  await assert.rejects(remove(), { code: 'no_kill' })
  assert.equal((await t.state(id)).status, 'dead')
  sandbox.crash()
  sandbox.kill = kill
  assert.equal((await t.wait(id, 'next-exit')).exitCode, 137)
  assert.deepEqual(
    [(await t.state(id)).status, (await t.state(id)).error],
    ['dead', 'the process cannot be killed'],
  )
  await remove()
  await assert.rejects(t.state(id), { kind: 'not_found' })
})

test('an exit that cannot be stored is told all the same, and its sandbox ended', async () => {
  await using t = await TestEngine.create()
  const plain = await t.run('sleep')
  const [{ main }, sandbox] = [t.sandboxes.last, t.sandboxes.last]
  const self = await t.run('sleep', { autoRemove: true })
  const { main: other } = t.sandboxes.last
  t.onStore = () => {
    throw internal('disk_full', 'the disk is full')
  }
  const exits = Promise.all([t.wait(plain), t.wait(self)])
  main.exit(3)
  other.exit(4)
  assert.deepEqual(
    (await exits).map(({ exitCode }) => exitCode),
    [3, 4],
  )
  await until('its sandbox is shut down', () => sandbox.isOver === 'shutdown', deadline)
  await until('both ports are released', () => t.networks.ports.size === 0, deadline)
  assert.deepEqual([(await t.state(plain)).status, (await t.state(self)).status], ['exited', 'dead'])
  t.onStore = () => {}
  await t.engine.containers.remove(scope, self, { force: false, volumes: false })
})

test('a sandbox that crashes ends its container, and says so', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  t.sandboxes.last.crash()
  assert.equal((await t.wait(id)).exitCode, 255)
  assert.match((await t.state(id)).error, /the sandbox ended before its container/)
})

test('a container is restarted by its policy, with its disk, until a user stops it', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { restartPolicy: { name: 'always', maximumRetries: 0 } })
  t.sandboxes.last.main.exit(1)
  await until(
    'it runs again',
    async () => t.sandboxes.claimed.length === 2 && (await t.state(id)).status === 'running',
    deadline,
  )
  assert.equal((await t.state(id)).restartCount, 1)
  assert.equal(t.sandboxes.last.request.scratch.fresh, false)
  t.sandboxes.last.main.exit(1)
  await until('it is restarting', async () => (await t.state(id)).status === 'restarting', deadline)
  await t.engine.containers.stop(scope, id, {})
  assert.equal((await t.state(id)).status, 'exited')
  assert.equal(t.sandboxes.claimed.length, 2)
})

test('on-failure stops trying after so many times, and only then a wait is over', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('exit 5', { restartPolicy: { name: 'on-failure', maximumRetries: 2 } })
  const exit = t.wait(id, 'next-exit')
  await t.engine.containers.start(scope, id)
  assert.equal((await exit).exitCode, 5)
  assert.equal(t.sandboxes.claimed.length, 3)
})

test('a restart waits for the disk to be written and then starts anew', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { autoRemove: true })
  const gate = Promise.withResolvers<void>()
  t.sandboxes.last.onShutdown = () => gate.promise
  const restarted = t.engine.containers.restart(scope, id, { timeoutSeconds: 1 })
  await until('it starts', async () => (await t.state(id)).status === 'starting', deadline)
  assert.equal(t.sandboxes.claimed.length, 1)
  gate.resolve()
  await restarted
  assert.deepEqual([(await t.state(id)).status, t.sandboxes.claimed.length], ['running', 2])
})

test('a restart is told in the events of dockerd', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { attachments: [noAttachment] })
  const gone = new AbortController()
  const live = t.engine.events.subscribe(scope, { sinceNano: null, untilNano: null, signal: gone.signal })
  await t.engine.containers.restart(scope, id, {})
  const seen: string[] = []
  for await (const { action } of live) {
    seen.push(action)
    if (action === 'restart') gone.abort()
  }
  assert.deepEqual(seen, ['kill', 'die', 'stop', 'start', 'restart'])
})

test('a list begins with what was made last, also within a millisecond', async () => {
  await using t = await TestEngine.create()
  const made: string[] = []
  for (let i = 0; i < 20; i++) made.push(await t.create('sleep'))
  const listed = async () => (await t.engine.containers.list(scope)).map(({ id }) => id)
  assert.deepEqual(await listed(), made.toReversed())
  await t.restart()
  assert.deepEqual(await listed(), made.toReversed())
})

test('following a log up to a time ends at that time, whether or not anything is said', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  await t.sandboxes.last.main.say('early\n')
  const follow = async (fromNowMs: number) => {
    const untilNano = BigInt(Date.now() + fromNowMs) * 1_000_000n
    const query = {
      ...{ stdout: true, stderr: true, follow: true, lines: true },
      ...{ tail: 'all' as const, sinceNano: null, untilNano },
    } as const
    return textOf(await t.engine.containers.logs(scope, id, query, { signal: AbortSignal.timeout(10_000) }))
  }
  assert.equal(await follow(100), 'early\n')
  assert.equal(await follow(-60_000), '')
})

test('input reaches the process, and the end of it when it was opened for one client', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('cat', { openStdin: true, stdinOnce: true })
  const session = await t.attach(id, { stdin: true })
  const written = session.writeStdin(Buffer.from('early '))
  await t.engine.containers.start(scope, id)
  await written
  await session.writeStdin(Buffer.from('late'))
  await session.endStdin()
  assert.equal(await textOf(session.output), 'early late')
  assert.equal((await t.wait(id)).exitCode, 0)
})

test('a client that attaches late gets what comes from then on, or everything with logs', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  const { main } = t.sandboxes.last
  await main.say('before\n')
  const [late, all] = [await t.attach(id), await t.attach(id, { logs: true })]
  await main.say('after\n')
  main.exit(0)
  assert.equal(await textOf(late.output), 'after\n')
  assert.equal(await textOf(all.output), 'before\nafter\n')
  late.close()
  all.close()
})

test('without a log the attached client sets the pace, and nothing is kept', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep', { logConfig: { driver: 'none', options: {} } })
  const session = await t.attach(id)
  await t.engine.containers.start(scope, id)
  const { main } = t.sandboxes.last
  let said = false
  const saying = main.say('slow\n').then(() => {
    said = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(said, false)
  const output = session.output[Symbol.asyncIterator]()
  assert.equal((await output.next()).value.data.toString(), 'slow\n')
  await saying
  main.exit(0)
  assert.equal((await output.next()).done, true)
  await assert.rejects(t.logs(id), { message: 'configured logging driver does not support reading' })
})

test('an exec has its own output, input and code', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { env: ['A=1'] })
  const request = {
    cmd: ['cat'],
    env: ['B=2'],
    user: '',
    workingDir: '',
    tty: false,
    privileged: false,
    attach: { stdin: true, stdout: true, stderr: true },
    detachKeys: '',
  }
  const exec = await t.engine.containers.createExec(scope, id, request)
  assert.deepEqual(await t.engine.containers.execIds(scope, id), [exec.id])
  const session = await t.engine.containers.startExec(scope, exec.id, {})
  const output = textOf(session.output)
  await session.writeStdin(Buffer.from('hi'))
  await session.endStdin()
  assert.equal(await output, 'hi')
  const { status, exitCode } = await t.engine.containers.getExec(scope, exec.id)
  assert.deepEqual([status, exitCode], ['exited', 0])
  assert.ok(t.sandboxes.last.processes.get(2)!.spec.env.includes('B=2'))
  await until('the guest may forget it', () => t.sandboxes.last.processes.get(2)!.forgotten, deadline)
  await assert.rejects(t.engine.containers.startExec(scope, exec.id, {}), { kind: 'conflict' })

  const missing = await t.engine.containers.createExec(scope, id, { ...request, cmd: ['missing'] })
  await assert.rejects(t.engine.containers.startExec(scope, missing.id, {}), {
    code: 'not_found_in_image',
    message:
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "missing": executable file not found in $PATH: unknown',
  })
  assert.equal((await t.engine.containers.getExec(scope, missing.id)).exitCode, 127)
})

test('the next daemon takes up what runs, without losing or repeating output', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep', { name: 'web' })
  const { main } = t.sandboxes.last
  await main.say('one\n')
  await t.restart(async () => {
    // Nobody takes this until the next daemon asks for it.
    main.output = { write() {} }
    await main.say('two\n')
  })
  assert.deepEqual([...t.sandboxes.kept!], [id])
  const { ports } = await t.engine.containers.get(scope, id)
  assert.deepEqual([...t.networks.kept!], [ports[0]!.id])
  assert.equal((await t.state('web')).status, 'running')
  await main.say('three\n')
  assert.equal(await t.logs(id), 'one\ntwo\nthree\n')
  main.exit(4)
  assert.equal((await t.wait(id)).exitCode, 4)
})

test('the next daemon records an exit that came while nobody looked', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  await t.restart(() => t.sandboxes.last.main.exit(9))
  assert.equal((await t.wait(id)).exitCode, 9)
})

test('the next daemon says that a sandbox is gone, and restarts what is to be restarted', async () => {
  await using t = await TestEngine.create()
  const plain = await t.run('sleep')
  const policy = await t.run('sleep', { restartPolicy: { name: 'unless-stopped', maximumRetries: 0 } })
  const self = await t.run('sleep', { autoRemove: true })
  await t.restart(() => {
    for (const sandbox of t.sandboxes.claimed) sandbox.crash()
  })
  const state = await t.state(plain)
  assert.deepEqual([state.status, state.exitCode], ['exited', 255])
  assert.match(state.error, /while the daemon was down/)
  await until('it runs again', async () => (await t.state(policy)).status === 'running', deadline)
  await assert.rejects(t.state(self), { kind: 'not_found' })
})

test('the next daemon undoes a start that was not finished', async () => {
  await using t = await TestEngine.create()
  const id = await t.run('sleep')
  await t.restart(() => t.sandboxes.last.processes.clear())
  const state = await t.state(id)
  assert.deepEqual([state.status, state.startedAt], ['created', null])
  await until('its sandbox is switched off', () => t.sandboxes.last.isOver === 'shutdown', deadline)
  assert.equal(t.networks.ports.size, 0)
})

test('a start under way is finished before the daemon ends', async () => {
  await using t = await TestEngine.create()
  const id = await t.create('sleep')
  const gate = Promise.withResolvers<void>()
  t.sandboxes.onClaim = () => gate.promise
  const started = t.engine.containers.start(scope, id)
  await until('it is starting', async () => (await t.state(id)).status === 'starting', deadline)
  const restarted = t.restart()
  gate.resolve()
  await started
  await restarted
  assert.equal((await t.state(id)).status, 'running')
})

test('events are told in order, to those who listen and to those who ask later', async () => {
  await using t = await TestEngine.create()
  const gone = new AbortController()
  const live = t.engine.events.subscribe(scope, { sinceNano: null, untilNano: null, signal: gone.signal })
  const id = await t.create('exit 1', { name: 'ev', labels: { l: 'v' }, autoRemove: true })
  const removed = t.wait(id, 'removed')
  await t.engine.containers.start(scope, id)
  await removed
  const expected = ['create', 'connect', 'start', 'die', 'disconnect', 'destroy']
  const seen = []
  for await (const event of live) {
    seen.push(event)
    if (seen.length === expected.length) gone.abort()
  }
  assert.deepEqual(
    seen.map(({ action }) => action),
    expected,
  )
  const die = seen.find(({ action }) => action === 'die')!
  assert.deepEqual(die.actor, {
    id,
    attributes: { made: 'here', l: 'v', image: 'app', name: 'ev', exitCode: '1', execDuration: '0' },
  })
  await t.restart()
  const untilNano = BigInt(Date.now()) * 1_000_000n
  const past = t.engine.events.subscribe(scope, {
    sinceNano: 0n,
    untilNano,
    signal: AbortSignal.timeout(5_000),
  })
  const kept = []
  for await (const event of past) kept.push(event)
  assert.deepEqual(kept, seen)
})

test('prune removes what is stopped and matches, and nothing else', async () => {
  await using t = await TestEngine.create()
  const running = await t.run('sleep')
  const stopped = await t.create('sleep', { labels: { drop: '1' } })
  const other = await t.create('sleep')
  const { ids } = await t.engine.containers.prune(scope, ({ spec }) => spec.labels.drop === '1')
  assert.deepEqual(ids, [stopped])
  const left = await t.engine.containers.list(scope)
  assert.deepEqual(left.map(({ id }) => id).sort(), [running, other].sort())
})
