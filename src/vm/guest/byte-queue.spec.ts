import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteQueue } from './byte-queue.ts'

const text = async (bytes: Promise<Buffer | undefined>) => (await bytes)?.toString()

test('bytes come in their order, however they are cut, and then the end', async () => {
  const queue = new ByteQueue()
  queue.push(Buffer.from('abc'))
  queue.push(Buffer.from('defgh'))
  assert.equal(await text(queue.exactly(4)), 'abcd')
  assert.equal(await text(queue.some(2)), 'ef')
  const waiting = queue.exactly(5)
  queue.push(Buffer.from('ij'))
  queue.end()
  assert.equal(await text(waiting), 'ghij')
  assert.equal(await queue.some(), undefined)
})

test('a writer hears that its chunk is safe when the reader has come for it', async () => {
  const queue = new ByteQueue()
  let isTaken = false
  const pushed = (queue.push(Buffer.from('a')) as Promise<void>).then(() => {
    isTaken = true
  })
  await Promise.resolve()
  assert.equal(isTaken, false)
  assert.equal(await text(queue.some()), 'a')
  await pushed
  const waiting = queue.some()
  assert.equal(queue.push(Buffer.from('b')), undefined)
  assert.equal(await text(waiting), 'b')
})

test('a failure goes to the reader and lets the writer go', async () => {
  const queue = new ByteQueue()
  const pushed = queue.push(Buffer.from('a'))
  queue.fail(new Error('gone'))
  await pushed
  await assert.rejects(queue.some(), /gone/)
  assert.equal(queue.push(Buffer.from('b')), undefined)
  const other = new ByteQueue()
  const waiting = other.some()
  other.fail(new Error('gone'))
  await assert.rejects(waiting, /gone/)
})
