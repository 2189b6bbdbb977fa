/** The life of a container: created, started, paused, stopped, killed, restarted, renamed, removed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const sleeper = (...options: string[]) => docker.container(...options, 'busybox', 'sleep', '100000')
const trapping = (signal: string, then: string) =>
  docker.container(
    'busybox',
    'sh',
    '-c',
    `trap "${then}" ${signal}; echo ready; while :; do sleep 0.05; done`,
  )

test('what is created can be started, watched and started again', async () => {
  const id = await docker.ok(['create', '--name', 'made', 'busybox', 'sh', '-c', 'echo ran; exit 2'])
  assert.equal(await docker.inspect(id, '{{.State.Status}}'), 'created')
  for (const _ of [1, 2]) {
    const { code, stdout } = await docker.run(['start', '--attach', 'made'])
    assert.deepEqual([code, stdout], [2, 'ran\n'])
  }
  assert.equal(await docker.ok(['logs', 'made']), 'ran\nran')
  await docker.ok(['rm', 'made'])
})

test('input is given to what is started with it', async () => {
  await docker.ok(['create', '-i', '--name', 'asks', 'busybox', 'sh', '-c', 'read name; echo hello $name'])
  const { stdout } = await docker.run(['start', '--attach', '--interactive', 'asks'], { input: 'you\n' })
  assert.equal(stdout, 'hello you\n')
  await docker.ok(['rm', 'asks'])
})

test('stop lets the program end itself', async () => {
  await using container = await trapping('TERM', 'echo bye; exit 4')
  await container.says('ready')
  assert.equal(await docker.ok(['stop', container.id]), container.id)
  assert.equal(await container.inspect('{{.State.Status}} {{.State.ExitCode}}'), 'exited 4')
  assert.equal(await container.logs(), 'ready\nbye')
  assert.equal(await docker.ok(['stop', container.id]), container.id)
})

test('stop ends a program that does not listen, after the time it is given', async () => {
  await using container = await sleeper()
  const began = performance.now()
  await docker.ok(['stop', '-t', '1', container.id])
  assert.ok(performance.now() - began >= 950)
  assert.equal(await container.inspect('{{.State.ExitCode}} {{.State.OOMKilled}}'), '137 false')
})

test('kill sends the signal that is named', async () => {
  await using container = await trapping('HUP', 'echo again')
  await container.says('ready')
  await docker.ok(['kill', '--signal', 'HUP', container.id])
  await container.says('again')
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
  await docker.ok(['kill', '-s', '9', container.id])
  await container.is('exited')
  assert.equal(await container.inspect('{{.State.ExitCode}}'), '137')
  assert.match(await docker.fails(['kill', container.id]), /is not running/)
  assert.match(await docker.fails(['kill', '-s', 'NOSUCH', container.id]), /[Ii]nvalid signal: NOSUCH/)
})

test('what a container wrote outlives its restart, and not its removal', async () => {
  await using container = await sleeper('--name', 'writer')
  await container.exec(
    'sh',
    '-c',
    'echo kept > /kept; echo also > /etc/motd; rm /etc/not-executable; mkdir -p /a/b',
  )
  await docker.ok(['restart', '-t', '0', 'writer'])
  assert.equal(await container.exec('cat', '/kept', '/etc/motd'), 'kept\nalso')
  assert.equal((await docker.run(['exec', 'writer', 'ls', '/etc/not-executable'])).code, 1)
  await docker.ok(['stop', '-t', '0', 'writer'])
  await docker.ok(['start', 'writer'])
  assert.equal(await container.exec('cat', '/kept'), 'kept')
  await docker.ok(['rm', '-f', 'writer'])
  await using anew = await sleeper('--name', 'writer')
  assert.equal((await docker.run(['exec', anew.id, 'ls', '/kept'])).code, 1)
})

test('pause holds every process still, and unpause lets them go on', async () => {
  await using container = await docker.container(
    'busybox',
    'sh',
    '-c',
    'i=0; while :; do echo $((i += 1)); sleep 0.02; done',
  )
  await container.says('3')
  await docker.ok(['pause', container.id])
  assert.equal(await container.inspect('{{.State.Status}}'), 'paused')
  const before = await container.logs()
  assert.match(await docker.fails(['exec', container.id, 'true']), /is paused/)
  assert.match(await docker.fails(['pause', container.id]), /already paused/)
  assert.equal(await container.logs(), before)
  await docker.ok(['unpause', container.id])
  const count = before.split('\n').length
  const after = await container.says(new RegExp(`\\n${count + 5}\\n`))
  const numbers = after.trimEnd().split('\n')
  assert.deepEqual(
    numbers,
    numbers.map((_, n) => String(n + 1)),
  )
})

test('wait answers when the container ends, with its exit code', async () => {
  await using container = await docker.container('-i', 'busybox', 'sh', '-c', 'read code; exit $code')
  const waiting = docker.start(['wait', container.id])
  const { child } = docker.start(['attach', container.id])
  child.stdin!.end('11\n')
  assert.equal((await waiting.ended).stdout, '11\n')
  assert.equal(await docker.ok(['wait', container.id]), '11')
})

test('a running container is removed by force only', async () => {
  const { id } = await sleeper('--name', 'stubborn')
  assert.match(
    await docker.fails(['rm', 'stubborn']),
    /container is running: stop the container|You cannot remove a running container/,
  )
  assert.equal(await docker.ok(['rm', '--force', 'stubborn']), 'stubborn')
  assert.match(await docker.fails(['inspect', id]), /No such object/)
})

test('a container can be renamed', async () => {
  await using container = await sleeper('--name', 'before')
  await docker.ok(['rename', 'before', 'after'])
  assert.equal(await container.inspect('{{.Name}}'), '/after')
  assert.match(await docker.fails(['inspect', 'before']), /No such object/)
  await using other = await sleeper('--name', 'before')
  assert.match(await docker.fails(['rename', other.id, 'after']), /already in use/)
})

test('a program that fails is started again as often as its policy says', async () => {
  await using container = await docker.container(
    '--restart',
    'on-failure:2',
    'busybox',
    'sh',
    '-c',
    'echo try; exit 1',
  )
  await until(
    'it to be given up',
    async () => (await container.inspect('{{.State.Status}} {{.RestartCount}}')) === 'exited 2',
    patience,
  )
  assert.equal(await container.logs(), 'try\ntry\ntry')
})

test('a container that is always started again ends when it is stopped', async () => {
  await using container = await docker.container(
    '--restart',
    'always',
    'busybox',
    'sh',
    '-c',
    'echo run; sleep 0.1',
  )
  await container.says(/run\n[\s\S]*run\n/)
  await docker.ok(['stop', '-t', '0', container.id])
  await container.is('exited')
  assert.equal(await container.inspect('{{.HostConfig.RestartPolicy.Name}}'), 'always')
})

test('stopped containers are pruned, running ones are not', async () => {
  await using running = await sleeper()
  await docker.run(['run', '--name', 'stale', 'busybox', 'true'])
  const pruned = await docker.ok(['container', 'prune', '--force'])
  assert.match(pruned, /^Deleted Containers:\n[0-9a-f]{64}\n/)
  assert.equal(await docker.ok(['ps', '--all', '--quiet', '--no-trunc']), running.id)
})
