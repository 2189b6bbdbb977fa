/** The daemon may stop or die at any moment: containers run on, and the next daemon knows all that happened. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { freePort } from '../../src/images/support/registry.ts'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import type { Daemon } from '../support/daemon.ts'
import { type Container, patience } from '../support/docker.ts'

const { daemon, docker } = await startCloud({ images: ['busybox'] })

const ways: [how: string, end: (daemon: Daemon) => Promise<void>][] = [
  ['stopped', (it) => it.stop()],
  ['killed', (it) => it.kill9()],
]

/** Serves one connection after another; each is a line in the log. */
const counter = 'i=0; while :; do echo $((i += 1)); nc -l -p 80 -e true; done'
const knock = (port: number) => until('somebody to open', () => opens(port), patience)

/** Connects and waits for the other side to leave again. */
async function opens(port: number): Promise<true> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {}).resume()
  if (!socket.closed) await once(socket, 'close')
  return true
}

async function isCounting(container: Container): Promise<void> {
  const numbers = (await container.logs()).split('\n')
  assert.deepEqual(
    numbers,
    numbers.map((_, n) => String(n + 1)),
    'no line is lost, none is there twice',
  )
}

for (const [how, end] of ways) {
  test(`containers run on while the daemon is ${how}, and none of their lines is lost`, async () => {
    await using container = await docker.container(
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do echo $((i += 1)); done | head -100000; sleep 100000',
    )
    await container.says(/\n1000\n/)
    const pid = await container.inspect('{{.State.StartedAt}}')
    await end(daemon)
    const running = daemon.sandboxes()
    assert.ok(
      running.some(({ command }) => command.includes('qemu')),
      'the sandbox runs on',
    )
    await daemon.launch()
    assert.equal(await container.inspect('{{.State.Status}}'), 'running')
    assert.equal(await container.inspect('{{.State.StartedAt}}'), pid)
    await until('the last line', async () => (await container.logs('--tail', '1')) === '100000', {
      ...patience,
      deadlineMs: 120_000,
      everyMs: 250,
    })
    await isCounting(container)
    assert.equal(await container.exec('echo', 'still here'), 'still here')
    await docker.ok(['stop', '-t', '0', container.id])
  })

  test(`published ports answer while the daemon is ${how}, and after`, async () => {
    const port = await freePort()
    await using container = await docker.container(
      '-p',
      `127.0.0.1:${port}:80`,
      'busybox',
      'sh',
      '-c',
      counter,
    )
    await container.says('1')
    await end(daemon)
    await knock(port)
    await knock(port)
    await daemon.launch()
    await container.says(/\n3\n|^3$/m)
    await knock(port)
    await container.says(/\n4\n|^4$/m)
    await isCounting(container)
    assert.match(await docker.ok(['port', container.id]), new RegExp(`:${port}$`, 'm'))
  })

  test(`what ends while the daemon is ${how} has its exit code and its last output`, async () => {
    const port = await freePort()
    const program = 'echo waiting; nc -l -p 80 -e true; echo last words; exit 7'
    await using container = await docker.container(
      '-p',
      `127.0.0.1:${port}:80`,
      'busybox',
      'sh',
      '-c',
      program,
    )
    await container.says('waiting')
    await end(daemon)
    await knock(port)
    await daemon.launch()
    assert.equal(await docker.ok(['wait', container.id]), '7')
    assert.equal(
      await container.inspect('{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}'),
      'exited 7 false',
    )
    assert.equal(await container.logs(), 'waiting\nlast words')
  })

  test(`images, names, stopped containers and what they wrote outlive a daemon that is ${how}`, async () => {
    await docker.ok(['tag', 'busybox', `kept:${how}`])
    await docker.run([
      'run',
      '--name',
      'kept',
      '--label',
      'a=b',
      'busybox',
      'sh',
      '-c',
      'echo data > /data; exit 3',
    ])
    const before = JSON.parse(await docker.ok(['inspect', 'kept']))
    await end(daemon)
    await daemon.launch()
    assert.deepEqual(JSON.parse(await docker.ok(['inspect', 'kept'])), before)
    assert.match(
      await docker.ok(['images', '--format', '{{.Repository}}:{{.Tag}}']),
      new RegExp(`^kept:${how}$`, 'm'),
    )
    await docker.ok(['rm', 'kept'])
    await docker.ok(['rmi', `kept:${how}`])
  })

  test(`a paused container is paused still after the daemon was ${how}`, async () => {
    await using container = await docker.container(
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do echo $((i += 1)); sleep 0.05; done',
    )
    await container.says('3')
    await docker.ok(['pause', container.id])
    await end(daemon)
    await daemon.launch()
    assert.equal(await container.inspect('{{.State.Status}}'), 'paused')
    const count = (await container.logs()).split('\n').length
    await docker.ok(['unpause', container.id])
    await container.says(new RegExp(`\\n${count + 3}\\n`))
    await isCounting(container)
  })

  test(`input and terminals can be attached again after the daemon was ${how}`, async () => {
    await using container = await docker.container(
      '-i',
      'busybox',
      'sh',
      '-c',
      'while read line; do echo "got $line"; done; echo end',
    )
    await end(daemon)
    await daemon.launch()
    const { child } = docker.start(['attach', container.id])
    child.stdin!.write('after\n')
    await container.says('got after')
    child.kill('SIGKILL')
  })
}

test('a policy to restart holds for the next daemon too', async () => {
  await using container = await docker.container(
    '--restart',
    'always',
    'busybox',
    'sh',
    '-c',
    'echo run; sleep 1000',
  )
  await container.says('run')
  await daemon.kill9()
  for (const { pid, command } of daemon.sandboxes())
    if (command.includes('qemu')) process.kill(pid, 'SIGKILL')
  await daemon.launch()
  await container.says(/run\n[\s\S]*run\n/)
  assert.equal(await container.inspect('{{.State.Status}}'), 'running')
})

test('a sandbox that dies takes its own container along and no other, and that is told', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  await using victim = await docker.container('busybox', 'sleep', '1000')
  process.kill(daemon.sandboxOf(victim.id), 'SIGKILL')
  await victim.is('exited')
  assert.equal(await victim.inspect('{{.State.ExitCode}}'), '255')
  assert.match(await victim.inspect('{{.State.Error}}'), /sandbox ended/)
  assert.equal(await container.exec('echo', 'runs'), 'runs')
  await docker.ok(['start', victim.id])
  assert.equal(await victim.exec('echo', 'again'), 'again')
})

/** Says so when it is asked to end, and goes on. */
const stubborn = 'trap "echo asked" TERM; echo up; while :; do sleep 100000 & wait; done'

test('a stop that the killed daemon had begun is finished by the next one, and the restart policy minds it', async () => {
  await using container = await docker.container('--restart', 'always', 'busybox', 'sh', '-c', stubborn)
  await container.says('up')
  const stopping = docker.start(['stop', '-t', '3', container.id])
  await container.says('asked')
  await daemon.kill9()
  assert.notEqual((await stopping.ended).code, 0)
  await daemon.launch()
  await container.is('exited')
  assert.equal(await container.inspect('{{.State.ExitCode}} {{.RestartCount}}'), '137 0')
  assert.equal(await container.logs(), 'up\nasked', 'it heard the signal once')
})

test('a restart that the killed daemon had begun is finished by the next one', async () => {
  await using container = await docker.container('busybox', 'sh', '-c', stubborn)
  await container.says('up')
  const restarting = docker.start(['restart', '-t', '3', container.id])
  await container.says('asked')
  await daemon.kill9()
  assert.notEqual((await restarting.ended).code, 0)
  await daemon.launch()
  await container.says(/up\nasked\nup/)
  await container.is('running')
})

test('events of before the daemon was killed are told afterwards', async () => {
  const began = String(Math.floor(Date.now() / 1000))
  await using container = await docker.container('--label', 'kept', 'busybox', 'sleep', '100000')
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
  await daemon.kill9()
  await daemon.launch()
  const span = ['--since', began, '--until', String(Math.ceil(Date.now() / 1000) + 1)]
  const told = await docker.ok(['events', ...span, '--filter', 'label=kept', '--format', '{{.Action}}'])
  assert.equal(told, 'create\nstart')
})
