import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { lockInstance } from './instance-lock.ts'

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

test('what a daemon left that was killed, or lost power, keeps nobody out', (t) => {
  const runtime = directory(t)
  const ended = spawnSync('true').pid
  for (const left of [`${ended} 1\n`, `${process.pid} 1\n`, '', '\n', `${process.pid}\n`, 'nonsense']) {
    writeFileSync(join(runtime, 'daemon.pid'), left)
    lockInstance(runtime)()
    assert.deepEqual(readdirSync(runtime), [], JSON.stringify(left))
  }
})
