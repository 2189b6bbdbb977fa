/** `docker logs`: all of it, in order, or the part that is asked for. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { type Container, patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const shell = (script: string, ...options: string[]) =>
  docker.container(...options, 'busybox', 'sh', '-c', script)
const ended = (container: Container) => docker.ok(['wait', container.id])

test('both streams are kept apart', async () => {
  await using container = await shell('echo out; echo err >&2')
  await ended(container)
  assert.deepEqual(await docker.run(['logs', container.id]), { code: 0, stdout: 'out\n', stderr: 'err\n' })
})

test('the last lines alone can be asked for', async () => {
  await using container = await shell('seq 1 100')
  await ended(container)
  assert.equal(await container.logs('--tail', '3'), '98\n99\n100')
  assert.equal(await container.logs('--tail', '0'), '')
  assert.equal((await container.logs('--tail', 'all')).split('\n').length, 100)
})

test('each line has its time, and a span of time can be asked for', async () => {
  await using container = await shell('echo one; read gate; echo two', '-i')
  await container.says('one')
  const [stamp] = (await container.logs('-t')).split(' ')
  assert.match(stamp!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
  assert.ok(Math.abs(Date.now() - Date.parse(stamp!)) < 60_000, `${stamp} is no time of now`)
  const between = new Date(Date.parse(stamp!) + 1).toISOString()
  await until('the clock to go on', () => Date.now() > Date.parse(between) + 5, patience)
  const { child } = docker.start(['attach', container.id])
  child.stdin!.end('go\n')
  await container.says('two')
  assert.equal(await container.logs('--since', between), 'two')
  assert.equal(await container.logs('--until', between), 'one')
  assert.equal(await container.logs('--since', '10m'), 'one\ntwo')
  assert.equal(await container.logs('--until', '10m'), '')
})

test('they are followed until the container ends', async () => {
  await using container = await shell(
    'echo before; while read line && [ "$line" != stop ]; do echo "got $line"; done; echo end',
    '-i',
  )
  await container.says('before')
  const following = docker.start(['logs', '-f', container.id])
  await until('what was said before', () => following.said() === 'before\n', patience)
  const { child } = docker.start(['attach', container.id])
  child.stdin!.write('a\n')
  await until('what is said now', () => following.said() === 'before\ngot a\n', patience)
  child.stdin!.end('b\nstop\n')
  assert.equal((await following.ended).stdout, 'before\ngot a\ngot b\nend\n')
})

test('following begins with the last lines, if so asked', async () => {
  await using container = await shell('seq 1 50; sleep 1000')
  await container.says('50')
  const following = docker.start(['logs', '-f', '--tail', '2', container.id])
  await until('the last two', () => following.said() === '49\n50\n', patience)
  following.child.kill('SIGKILL')
})

test('lines without an end and with any bytes are kept', async () => {
  await using container = await shell("printf 'no end'; printf '\\000\\377\\r\\n' >&2")
  await ended(container)
  const { child } = docker.start(['logs', container.id])
  const bytes: Buffer[] = []
  child.stderr!.on('data', (chunk) => bytes.push(chunk))
  await once(child, 'close')
  assert.deepEqual(Buffer.concat(bytes), Buffer.from([0, 255, 13, 10]))
  assert.equal(await container.logs(), 'no end')
})

test('a line longer than any buffer is one line', async () => {
  await using container = await shell("head -c 200000 /dev/zero | tr '\\0' x; echo; echo next")
  await ended(container)
  const [long, next] = (await container.logs()).split('\n')
  assert.equal(long, 'x'.repeat(200_000))
  assert.equal(next, 'next')
})

test('they go on over a restart', async () => {
  await using container = await shell('echo run; sleep 1000')
  await container.says('run')
  await docker.ok(['restart', '-t', '0', container.id])
  await container.says(/run\n[\s\S]*run\n/)
})

test('with the log driver none there are none', async () => {
  await using container = await shell('echo unseen', '--log-driver', 'none')
  await ended(container)
  assert.match(await docker.fails(['logs', container.id]), /does not support reading/)
})

test('files of a log are limited in size and number, oldest first', async () => {
  const options = ['--log-opt', 'max-size=10k', '--log-opt', 'max-file=2']
  await using container = await shell('seq 1 20000', ...options)
  await ended(container)
  // The first line may have lost its beginning with the file before.
  const lines = (await container.logs()).split('\n').slice(1)
  assert.equal(lines.at(-1), '20000')
  assert.ok(lines.length < 20_000 && lines.length > 100, `${lines.length} lines are left`)
  assert.deepEqual(
    lines,
    lines.map((_, n) => String(20_000 - lines.length + 1 + n)),
  )
})

test('100 MB arrive whole and in order, while they are written and after', {
  timeout: 400_000,
}, async (t) => {
  const pad = 'abcdefghij'.repeat(99)
  const count = 100_000
  const program = `BEGIN { pad = "${pad}"; for (i = 0; i < ${count}; i++) printf "%08d %s\\n", i, pad }`
  const expected = createHash('sha256')
  for (let i = 0; i < count; i++) expected.update(`${String(i).padStart(8, '0')} ${pad}\n`)
  const digest = expected.digest('hex')
  const began = performance.now()
  await using container = await docker.container('busybox', 'awk', program)
  assert.deepEqual(await digestOf(['logs', '-f', container.id]), { digest, bytes: count * 1000 })
  t.diagnostic(`followed in ${Math.round(performance.now() - began)} ms`)
  const again = performance.now()
  assert.deepEqual(await digestOf(['logs', container.id]), { digest, bytes: count * 1000 })
  t.diagnostic(`read again in ${Math.round(performance.now() - again)} ms`)
})

async function digestOf(args: string[]): Promise<{ digest: string; bytes: number }> {
  const { child } = docker.start(args)
  const sum = createHash('sha256')
  let bytes = 0
  child.stdout!.on('data', (chunk: Buffer) => {
    sum.update(chunk)
    bytes += chunk.length
  })
  await once(child, 'close')
  return { digest: sum.digest('hex'), bytes }
}
