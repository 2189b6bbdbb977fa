/** Whoever says that nothing was left must see it when something is. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { differences, hostState } from '../scripts/test/host-state.mjs'
import { Rollback } from '../src/lib/rollback.ts'
import { run } from '../src/lib/spawn.ts'

test('what a test leaves on the host is seen and named, and so is that it has gone', async () => {
  const mark = `left${randomBytes(3).toString('hex')}`
  const name = mark.slice(0, 10)
  const before = hostState(mark)
  const undo = new Rollback()
  try {
    await run('ip', ['netns', 'add', name])
    undo.add(() => run('ip', ['netns', 'delete', name]))
    await run('ip', ['link', 'add', name, 'type', 'bridge'])
    undo.add(() => run('ip', ['link', 'delete', name]))
    await run('nft', ['add', 'table', 'inet', name])
    undo.add(() => run('nft', ['delete', 'table', 'inet', name]))
    writeFileSync(`/dev/shm/${name}`, '')
    undo.add(() => rm(`/dev/shm/${name}`))
    const child = spawn('sleep', ['1000'], { env: { PATH: process.env.PATH, MARK: mark }, stdio: 'ignore' })
    await once(child, 'spawn')
    undo.add(async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    const left = differences(before, hostState(mark))
    for (const thing of [
      `network namespace ${name}`,
      `mount /run/netns/${name}`,
      `network interface ${name}`,
      `nftables table inet ${name}`,
      `file /dev/shm/${name}`,
      `process ${child.pid}: sleep 1000`,
    ]) {
      assert.ok(left.includes(thing), `${thing} is not among ${left.join('; ')}`)
    }
  } finally {
    await undo[Symbol.asyncDispose]()
  }
  // Other tests make and remove things at the same time.
  const after = differences(before, hostState(mark)).filter((thing) => thing.includes(mark.slice(0, 10)))
  assert.deepEqual(after, [])
})
