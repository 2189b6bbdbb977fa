/** `docker run`: output, exit codes, input, and what becomes of the container. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const busybox = (...command: string[]) => ['run', '--rm', 'busybox', ...command]
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

test('what a program writes comes out, each stream where it belongs', async () => {
  assert.deepEqual(await docker.run(busybox('sh', '-c', 'echo out; echo err >&2')), {
    code: 0,
    stdout: 'out\n',
    stderr: 'err\n',
  })
})

test('without a command the one of the image is run', async () => {
  assert.deepEqual(await docker.run(['run', '--rm', '-i', 'busybox'], { input: 'echo $((6 * 7))\n' }), {
    code: 0,
    stdout: '42\n',
    stderr: '',
  })
})

test('the exit code is that of the program', async () => {
  for (const code of [0, 1, 42, 255]) {
    assert.equal((await docker.run(busybox('sh', '-c', `exit ${code}`))).code, code)
  }
})

test('a program that a signal ends gives 128 and the signal', async () => {
  const killed = ['run', '--rm', '--init', 'busybox', 'sh', '-c']
  assert.equal((await docker.run([...killed, 'kill -TERM $$'])).code, 143)
  assert.equal((await docker.run([...killed, 'kill -SEGV $$'])).code, 139)
  assert.equal((await docker.run([...killed, 'kill -KILL $$'])).code, 137)
})

test('a program that is not there gives 127, one that cannot be executed 126', async () => {
  assert.match(
    await docker.fails(busybox('nosuch'), 127),
    /exec: "nosuch": executable file not found in \$PATH/,
  )
  assert.match(await docker.fails(busybox('/no/such'), 127), /no such file or directory/)
  assert.match(await docker.fails(busybox('/etc/not-executable'), 126), /permission denied/)
  assert.match(await docker.fails(busybox('/etc'), 126), /permission denied|is a directory/)
})

test('what the daemon refuses gives 125, and the reason', async () => {
  assert.match(await docker.fails(['run', '--no-such-flag', 'busybox'], 125), /no-such-flag/)
  assert.match(
    await docker.fails(['run', '-v', '/etc:/x', 'busybox', 'true'], 125),
    /sees no files of a host/,
  )
  assert.match(
    await docker.fails(['run', '--network', 'host', 'busybox', 'true'], 125),
    /host is not possible/,
  )
  assert.match(await docker.fails(['run', '--device', '/dev/kvm', 'busybox', 'true'], 125), /not possible/)
  assert.match(await docker.fails(['run', '-m', '1m', 'busybox', 'true'], 125), /Minimum memory limit/)
  assert.equal(await docker.ok(['ps', '--all', '--quiet']), '')
})

/** More at once than it may have. */
const greedy = ['if=/dev/zero', 'of=/dev/null', 'bs=40M', 'count=1']

test('a program that needs more memory than it has is killed, and told so', async () => {
  await using eater = await docker.container('-m', '32m', 'busybox', 'dd', ...greedy)
  await docker.ok(['wait', eater.id])
  assert.equal(await eater.inspect('{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}'), '137 true ')
})

test('a program that creeps up to its limit is killed too, where its code would be evicted and read for ever', async () => {
  const programs = [
    ['-m', '32m', 'busybox', 'tail', '/dev/zero'],
    ['-m', '20m', 'busybox', 'dd', 'if=/dev/zero', 'of=/dev/shm/filled', 'bs=1M', 'count=60'],
  ]
  for (const program of programs) {
    await using creeper = await docker.container(...program)
    assert.equal(await docker.ok(['wait', creeper.id]), '137', program.join(' '))
    assert.equal(await creeper.inspect('{{.State.OOMKilled}}'), 'true')
  }
})

test('standard input reaches the program, and its end too', async () => {
  const cat = ['run', '--rm', '-i', 'busybox', 'cat']
  assert.equal((await docker.run(cat, { input: 'typed\n' })).stdout, 'typed\n')
  assert.equal((await docker.run(cat)).stdout, '')
  const bytes = randomBytes(3 << 20)
  const summed = await docker.run(['run', '--rm', '-i', 'busybox', 'sha256sum'], { input: bytes })
  assert.equal(summed.stdout, `${sha256(bytes)}  -\n`)
})

test('a program can answer before its input ends', async () => {
  const { child, said, ended } = docker.start(['run', '--rm', '-i', 'busybox', 'cat'])
  for (const line of ['first\n', 'second\n']) {
    child.stdin!.write(line)
    await until(`the echo of ${line}`, () => said().endsWith(line), patience)
  }
  child.stdin!.end()
  assert.deepEqual(await ended, { code: 0, stdout: 'first\nsecond\n', stderr: '' })
})

test('without -i there is no input', async () => {
  assert.equal((await docker.run(busybox('cat'), { input: 'unread\n' })).stdout, '')
})

test('much output arrives whole', async () => {
  const { stdout } = await docker.run(busybox('seq', '1', '300000'))
  const expected = Array.from({ length: 300_000 }, (_, n) => `${n + 1}\n`).join('')
  assert.equal(sha256(stdout), sha256(expected))
})

test('only the streams that are attached come out', async () => {
  const both = ['busybox', 'sh', '-c', 'echo out; echo err >&2']
  const out = await docker.run(['run', '--rm', '-a', 'stdout', ...both])
  assert.deepEqual([out.stdout, out.stderr], ['out\n', ''])
  const err = await docker.run(['run', '--rm', '-a', 'stderr', ...both])
  assert.deepEqual([err.stdout, err.stderr], ['', 'err\n'])
})

test('a container in the background has an id, and runs on', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  assert.match(container.id, /^[0-9a-f]{64}$/)
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
  assert.equal(await container.exec('echo', 'hi'), 'hi')
})

test('with --rm nothing is left of it when it ends', async () => {
  const id = await docker.ok(['run', '-d', '--rm', 'busybox', 'true'])
  await until(
    'the container to be removed',
    async () => (await docker.run(['inspect', id])).code === 1,
    patience,
  )
  const foreground = ['run', '--rm', '--name', 'again', 'busybox', 'true']
  await docker.ok(foreground)
  await docker.ok(foreground)
})

test('without --rm it stays, with its output and its exit code', async () => {
  assert.equal(
    (await docker.run(['run', '--name', 'kept', 'busybox', 'sh', '-c', 'echo out; exit 5'])).code,
    5,
  )
  assert.equal(await docker.inspect('kept', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 5')
  assert.equal(await docker.ok(['logs', 'kept']), 'out')
  await docker.ok(['rm', 'kept'])
})

test('a name is had by one container', async () => {
  await using first = await docker.container('--name', 'only-one', 'busybox', 'sleep', '1000')
  const refused = await docker.fails(['run', '--name', 'only-one', 'busybox', 'true'], 125)
  assert.match(refused, /The container name "\/only-one" is already in use by container "?[0-9a-f]{12}/)
  assert.equal(await first.inspect('{{.Name}}'), '/only-one')
  assert.match(
    await docker.fails(['run', '--name', 'bad name', 'busybox', 'true'], 125),
    /Invalid container name/,
  )
})

test('the id is written where it is asked for', async () => {
  const file = join(docker.command.config, 'cid')
  await docker.ok(['run', '--cidfile', file, '--name', 'with-file', 'busybox', 'true'])
  assert.equal(readFileSync(file, 'utf8'), await docker.inspect('with-file', '{{.Id}}'))
  await docker.ok(['rm', 'with-file'])
})

test('a signal to docker run is passed on to the program', async () => {
  const program = 'trap "echo got it; exit 7" TERM; echo ready; while :; do sleep 0.05; done'
  const { child, said, ended } = docker.start(busybox('sh', '-c', program))
  await until('the program to be ready', () => said() === 'ready\n', patience)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 7, stdout: 'ready\ngot it\n', stderr: '' })
})
