/** `docker exec`: further programs in a running container. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const main = await docker.container(
  '--name',
  'main',
  '-e',
  'MINE=image',
  '-w',
  '/etc',
  'busybox',
  'sleep',
  '100000',
)
const exec = (...args: string[]) => docker.run(['exec', ...args])

test('its output, streams and exit code come out', async () => {
  assert.deepEqual(await exec('main', 'sh', '-c', 'echo out; echo err >&2; exit 9'), {
    code: 9,
    stdout: 'out\n',
    stderr: 'err\n',
  })
})

test('its input reaches it, and ends', async () => {
  assert.equal(
    (await docker.run(['exec', '-i', 'main', 'wc', '-c'], { input: randomBytes(1_000_000) })).stdout,
    '1000000\n',
  )
  assert.equal((await docker.run(['exec', 'main', 'cat'], { input: 'unread' })).stdout, '')
})

test('it has the environment, directory and user of the container, or its own', async () => {
  const script = 'echo $MINE; pwd; id -un'
  assert.equal(await main.exec('sh', '-c', script), 'image\n/etc\nroot')
  const own = [
    'exec',
    '-e',
    'MINE=exec',
    '-w',
    '/tmp',
    '-u',
    'alice:staff',
    'main',
    'sh',
    '-c',
    `${script}; id -gn`,
  ]
  assert.equal(await docker.ok(own), 'exec\n/tmp\nalice\nstaff')
})

test('a directory that is not there is not made', async () => {
  const { code, stdout } = await exec('-w', '/no/such', 'main', 'pwd')
  assert.equal(code, 126)
  // As with dockerd, by then the streams are those of the program.
  assert.match(stdout, /chdir to cwd \("\/no\/such"\)/)
})

test('a program that is not there gives 127, one that cannot be executed 126', async () => {
  assert.equal((await exec('main', 'nosuch')).code, 127)
  assert.equal((await exec('main', '/etc/not-executable')).code, 126)
})

test('a program that a signal ends gives 128 and the signal', async () => {
  assert.equal((await exec('main', 'sh', '-c', 'kill -TERM $$')).code, 143)
})

test('in the background it runs on when the client has gone', async () => {
  assert.equal(
    await docker.ok(['exec', '-d', 'main', 'sh', '-c', 'sleep 0.1; echo done > /tmp/background']),
    '',
  )
  await until(
    'its file',
    async () => (await exec('main', 'cat', '/tmp/background')).stdout === 'done\n',
    patience,
  )
})

test('it sees the processes of the container, and is seen by them', async () => {
  const processes = await main.exec('ps', '-o', 'pid,args')
  assert.match(processes, /^\s+1 sleep 100000$/m)
  assert.match(processes, /ps -o pid,args$/m)
})

test('it has the rights of the container, and those of the machine when privileged', async () => {
  const script = ['sh', '-c', 'awk "/CapEff/ { print \\$2 }" /proc/self/status']
  assert.equal(await main.exec(...script), '00000000a80425fb')
  assert.match(await docker.ok(['exec', '--privileged', 'main', ...script]), /^00000[01]ffffffffff$/)
})

test('a container that does not run takes none', async () => {
  await docker.ok(['create', '--name', 'still', 'busybox', 'true'])
  assert.match(await docker.fails(['exec', 'still', 'true']), /Container [0-9a-f]{64} is not running/)
  await docker.ok(['rm', 'still'])
  assert.match(await docker.fails(['exec', 'nosuch', 'true']), /No such container: nosuch/)
})

test('it ends with its container', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  const { ended, said } = docker.start(['exec', container.id, 'sh', '-c', 'echo runs; exec sleep 1000'])
  await until('it to run', () => said() === 'runs\n', patience)
  await docker.ok(['kill', container.id])
  assert.equal((await ended).code, 137)
})

test('many at once each get their own output', async () => {
  const all = await Promise.all(
    Array.from({ length: 12 }, (_, n) => main.exec('sh', '-c', `echo ${n}; seq 1 ${n * 100}`)),
  )
  all.forEach((output, n) => {
    assert.equal(output, [n, ...Array.from({ length: n * 100 }, (_, i) => i + 1)].join('\n'))
  })
})

test('a client that goes away leaves its program alone, and the next one is not disturbed', async () => {
  const lost = docker.start(['exec', 'main', 'sh', '-c', 'while :; do echo more; done'])
  await until('it to write', () => lost.said().length > 10_000, patience)
  lost.child.kill('SIGKILL')
  await lost.ended
  assert.equal(await main.exec('echo', 'undisturbed'), 'undisturbed')
  await main.exec('killall', 'sh')
})
