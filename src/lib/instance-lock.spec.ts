import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from './deadline.ts'
import { lockInstance } from './instance-lock.ts'

const wait = { deadlineMs: 5_000 }

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'hb-lock-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

test('a second daemon is told whose directory it is, and may have it afterwards', (t) => {
  const runtime = join(directory(t), 'made')
  const unlock = lockInstance(runtime)
  assert.throws(() => lockInstance(runtime), {
    kind: 'conflict',
    code: 'already_running',
    message: new RegExp(`^a Hummingbird daemon \\(pid ${process.pid}\\) already uses ${runtime}; stop it`),
  })
  unlock()
  lockInstance(runtime)()
  assert.deepEqual(readdirSync(runtime), [])
})

test('a daemon that was killed, and whose parent has not noticed, keeps nobody out', async (t) => {
  const runtime = directory(t)
  // The child of a shell that has become another program is never waited for.
  const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.after(() => parent.kill('SIGKILL'))
  const [line] = await once(parent.stdout, 'data')
  const pid = Number(String(line))
  const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  writeFileSync(join(runtime, 'daemon.pid'), `${pid} ${stat()[19]}\n`)
  assert.throws(() => lockInstance(runtime), { code: 'already_running' })
  await until(
    'the shell to have gone',
    () => !readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8').startsWith('sh'),
    wait,
  )
  process.kill(pid, 'SIGKILL')
  await until('its end', () => stat()[0] === 'Z', wait)
  lockInstance(runtime)()
})

test('what a daemon left that was killed, or lost power, keeps nobody out', (t) => {
  const runtime = directory(t)
  const ended = spawnSync('true').pid
  for (const left of [`${ended} 1\n`, `${process.pid} 1\n`, '', '\n', `${process.pid}\n`, 'nonsense']) {
    writeFileSync(join(runtime, 'daemon.pid'), left)
    lockInstance(runtime)()
    assert.deepEqual(readdirSync(runtime), [], JSON.stringify(left))
  }
})
