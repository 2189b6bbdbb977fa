import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createDockerApi } from './server.ts'
import { fakeCloud } from './support/fake-backends.ts'

const api = () => createDockerApi({ backends: fakeCloud(), scopeOf: () => ({ project: 'default' }) })

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hb-listen-'))
  try {
    await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('a socket has the mode and group asked for, and goes with the server', () =>
  withDirectory(async (directory) => {
    const unix = join(directory, 'a.sock')
    const door = api()
    await door.listen({ unix, mode: 0o620, group: process.getgid!() })
    assert.equal(statSync(unix).mode & 0o777, 0o620)
    await door.close()
    assert.equal(existsSync(unix), false)
    const [name] = spawnSync('id', ['-gn']).stdout.toString().split('\n')
    const named = api()
    await named.listen({ unix, group: name! })
    assert.equal(statSync(unix).mode & 0o777, 0o660)
    await named.close()
    await assert.rejects(api().listen({ unix, group: 'no-such-group' }), { kind: 'invalid' })
  }))

test('the socket of a killed daemon is replaced, that of a living one is not', () =>
  withDirectory(async (directory) => {
    const unix = join(directory, 'a.sock')
    // A process that ends without closing its socket leaves the file.
    const script = `require('net').createServer().listen(${JSON.stringify(unix)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    assert.ok(existsSync(unix))
    const first = api()
    await first.listen({ unix })
    await assert.rejects(api().listen({ unix }), {
      kind: 'conflict',
      message: `${unix} is in use by another process`,
    })
    await first.close()
    writeFileSync(unix, 'precious')
    await assert.rejects(api().listen({ unix }), { kind: 'conflict', message: /is not a socket/ })
  }))

test('an address that cannot be had is told by name', async () => {
  const door = api()
  const { port } = await door.listen({ host: '127.0.0.1', port: 0 })
  await assert.rejects(api().listen({ host: '127.0.0.1', port: port! }), { kind: 'conflict' })
  await assert.rejects(api().listen({ unix: '/nonexistent/a.sock' }), { kind: 'unavailable' })
  await door.close()
})
