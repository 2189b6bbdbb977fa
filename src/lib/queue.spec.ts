import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SerialQueue } from './queue.ts'

test('tasks run one after another in the order they came, whatever they take', async () => {
  const queue = new SerialQueue()
  const gate = Promise.withResolvers<void>()
  const order: string[] = []
  const first = queue.run(async () => {
    order.push('first begins')
    await gate.promise
    order.push('first ends')
    return 1
  })
  const second = queue.run(async () => {
    order.push('second')
    return 2
  })
  assert.equal(queue.size, 2)
  await new Promise(setImmediate)
  assert.deepEqual(order, ['first begins'])
  gate.resolve()
  assert.deepEqual(await Promise.all([first, second]), [1, 2])
  assert.deepEqual(order, ['first begins', 'first ends', 'second'])
})

test('a task that fails tells its caller, and the next runs', async () => {
  const queue = new SerialQueue()
  const failed = queue.run(async () => {
    throw new Error('no')
  })
  const next = queue.run(async () => 'yes')
  await assert.rejects(failed, { message: 'no' })
  assert.equal(await next, 'yes')
})

test('a queue is idle when all that was queued has settled', async () => {
  const queue = new SerialQueue()
  await queue.idle()
  let done = 0
  for (let i = 0; i < 5; i++) {
    queue
      .run(async () => {
        await new Promise(setImmediate)
        done++
        if (i === 2) throw new Error('no')
      })
      .catch(() => {})
  }
  await queue.idle()
  assert.deepEqual([done, queue.size], [5, 0])
})
