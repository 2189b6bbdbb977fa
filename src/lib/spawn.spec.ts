import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { until } from './deadline.ts'
import { launch, run } from './spawn.ts'

const shell = (script: string, options: Parameters<typeof run>[2] = {}) => run('sh', ['-c', script], options)

test('what a child says is answered, and what it is given it reads', async () => {
  assert.deepEqual(await shell('cat; echo aside >&2', { input: 'given' }), {
    stdout: 'given',
    stderr: 'aside\n',
  })
  const large = Buffer.alloc(3_000_000, 'x')
  assert.equal((await shell('cat', { input: large })).stdout.length, large.length)
  assert.equal((await shell('echo $A; pwd', { env: { A: 'b' }, cwd: '/' })).stdout, 'b\n/\n')
})

test('a child that fails is named with its arguments and the end of what it said', async () => {
  await assert.rejects(shell('echo why >&2; exit 3'), {
    kind: 'internal',
    code: 'command_failed',
    message: 'sh -c echo why >&2; exit 3 ended with 3: why',
  })
  await assert.rejects(shell('kill -TERM $$'), { message: /ended with SIGTERM$/ })
})

test('a child that does not read its input is judged by its status', async () => {
  assert.equal((await shell('exec 0<&-; echo done', { input: Buffer.alloc(3_000_000) })).stdout, 'done\n')
  await assert.rejects(shell('exit 1', { input: Buffer.alloc(3_000_000) }), { message: /ended with 1$/ })
})

test('a program that is not there is named', async () => {
  await assert.rejects(run('no-such-program', []), {
    code: 'command_failed',
    message: /^no-such-program cannot be started: it is not there; `hb doctor`/,
  })
})

test('a child that does not end in its time is ended', async () => {
  await assert.rejects(shell('exec sleep 600', { deadlineMs: 200 }), {
    message: /did not end within 200 ms$/,
  })
})

test("output that a child's own child holds open is waited for no longer than the deadline", async () => {
  await assert.rejects(shell('sleep 3 & echo begun', { deadlineMs: 200 }), {
    message: /did not end within 200 ms$/,
  })
})

test('an abort ends the child, and one before the start keeps it from starting', async () => {
  const gone = new AbortController()
  const running = shell('exec sleep 600', { signal: gone.signal })
  gone.abort()
  await assert.rejects(running, { kind: 'cancelled' })
  await assert.rejects(shell('true', { signal: gone.signal }), { kind: 'cancelled' })
})

test('a child that says too much is ended', async () => {
  await assert.rejects(shell('exec yes'), { message: /said more than \d+ bytes/ })
})

test('a launched process has a session of its own', async () => {
  const child = launch('sleep', ['600'], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  try {
    const session = () => readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3]
    await until('the session', () => session() === String(child.pid), { deadlineMs: 5_000 })
  } finally {
    child.kill('SIGKILL')
  }
  await exited
  assert.ok(!existsSync(`/proc/${child.pid}`))
})
