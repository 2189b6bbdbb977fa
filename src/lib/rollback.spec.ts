import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rollback } from './rollback.ts'

/** Does three steps and then what `end` says; answers what was undone. */
async function steps(end: (undo: Rollback) => void, failing: readonly number[] = []) {
  const undone: number[] = []
  const work = async () => {
    await using undo = new Rollback()
    for (const step of [1, 2, 3]) {
      undo.add(async () => {
        undone.push(step)
        if (failing.includes(step)) throw new Error(`step ${step}`)
      })
    }
    end(undo)
  }
  const error = await work().then(
    () => undefined,
    (error: unknown) => error,
  )
  return { undone, error }
}

const fail = () => {
  throw new Error('the work')
}

test('work that fails is undone, last step first, and its own failure is told', async () => {
  const { undone, error } = await steps(fail)
  assert.deepEqual(undone, [3, 2, 1])
  assert.equal((error as Error).message, 'the work')
})

test('work that is committed stays, and so does what was committed when later steps fail', async () => {
  assert.deepEqual(await steps((undo) => undo.commit()), { undone: [], error: undefined })
  const late = await steps((undo) => {
    undo.commit()
    undo.add(() => late4.push(4))
    fail()
  })
  assert.deepEqual([late.undone, late4], [[], [4]])
})
const late4: number[] = []

test('a step that cannot be undone does not keep the others from it, and all that went wrong is told', async () => {
  const one = await steps(() => {}, [2])
  assert.deepEqual(one.undone, [3, 2, 1])
  assert.equal((one.error as Error).message, 'step 2')
  const two = await steps(() => {}, [1, 3])
  assert.ok(two.error instanceof AggregateError)
  assert.deepEqual(
    two.error.errors.map(({ message }: Error) => message),
    ['step 3', 'step 1'],
  )
  const both = await steps(fail, [2])
  assert.ok(both.error instanceof SuppressedError)
  assert.equal((both.error.error as Error).message, 'step 2')
  assert.equal((both.error.suppressed as Error).message, 'the work')
})
