import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unlessAborted, until, within } from './deadline.ts'

const never = () => new Promise<never>(() => {})
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

test('what settles in time is answered, and no timer is left', async () => {
  const before = timers()
  assert.equal(await within(Promise.resolve(1), 60_000, 'it'), 1)
  await assert.rejects(within(Promise.reject(new Error('its own')), 60_000, 'it'), { message: 'its own' })
  assert.equal(timers(), before)
})

test('what does not is named, with its time', async () => {
  await assert.rejects(within(never(), 10, 'opening the door'), {
    kind: 'deadline',
    message: 'opening the door did not finish within 10 ms',
  })
})

test('an abort ends a wait, before it and during it, with its reason', async () => {
  assert.equal(await unlessAborted(Promise.resolve(1), undefined), 1)
  const gone = new AbortController()
  const waiting = unlessAborted(never(), gone.signal)
  gone.abort('the client left')
  for (const wait of [waiting, unlessAborted(never(), gone.signal)]) {
    await assert.rejects(wait, { kind: 'cancelled', cause: 'the client left' })
  }
})

test('a condition is asked for until it holds, and an exception means not yet', async () => {
  let asked = 0
  const value = await until(
    'the third time',
    async () => {
      if (++asked === 1) throw new Error('not yet')
      return asked === 3 && 'held'
    },
    { deadlineMs: 5_000, everyMs: 1 },
  )
  assert.deepEqual([value, asked], ['held', 3])
})

test('a condition that does not come to hold is named, with what was last in its way', async () => {
  const wait = { deadlineMs: 10, everyMs: 1 }
  await assert.rejects(
    until('the moon', () => undefined, wait),
    {
      kind: 'deadline',
      message: 'waited 10 ms for the moon; last: nothing yet',
    },
  )
  await assert.rejects(
    until('the moon', () => Promise.reject(new Error('clouds')), wait),
    {
      message: 'waited 10 ms for the moon; last: clouds',
    },
  )
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(
    until('the moon', () => undefined, { deadlineMs: 60_000, signal }),
    { message: 'enough' },
  )
})
