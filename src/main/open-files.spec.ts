import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkOpenFiles, connectionsFor, openFilesMax } from './open-files.ts'

test('connections have a quarter of the descriptors, and never more than the API allows', () => {
  assert.equal(openFilesMax('Limit\nMax open files            1024                 4096   files\n'), 1024)
  assert.equal(openFilesMax('Max open files            unlimited            unlimited   files'), Infinity)
  assert.ok(openFilesMax() > 0)
  assert.deepEqual([64, 10, 1024, 1 << 20, Infinity].map(connectionsFor), [16, 8, 256, 4096, 4096])
})

test('a daemon that could start no sandbox is told which limit to raise', () => {
  checkOpenFiles(1024)
  assert.throws(() => checkOpenFiles(256), {
    kind: 'unavailable',
    message: /256 files open and needs 1024.*LimitNOFILE/,
  })
})
