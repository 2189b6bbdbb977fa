import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../lib/log.ts'
import { RuleWriter } from './rule-writer.ts'

/** A writer whose transactions end when the test says how. */
function setUp() {
  const open: { script: string; end: PromiseWithResolvers<void> }[] = []
  const writer = new RuleWriter({
    what: 'the test',
    apply: (script) => {
      const end = Promise.withResolvers<void>()
      open.push({ script, end })
      return end.promise
    },
    render: () => 'everything',
    log: silentLog,
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return { open, writer, turn }
}

test('changes that arrive during a transaction go into the next one together, in order', async () => {
  const { open, writer, turn } = setUp()
  const done = Promise.all([writer.change('a\n'), writer.change('b\n'), writer.change('c\n')])
  assert.deepEqual(
    open.map(({ script }) => script),
    ['a\n'],
  )
  open[0]!.end.resolve()
  await turn()
  assert.deepEqual(
    open.map(({ script }) => script),
    ['a\n', 'b\nc\n'],
  )
  open[1]!.end.resolve()
  await done
  await writer.idle()
})

test('a change that is refused makes everything be written anew, and fails only if that is refused too', async () => {
  const { open, writer, turn } = setUp()
  const mended = writer.change('a\n')
  open[0]!.end.reject(new Error('no such table'))
  await turn()
  assert.equal(open[1]!.script, 'everything')
  open[1]!.end.resolve()
  await mended
  const lost = assert.rejects(writer.change('b\n'), /no nft/)
  await turn()
  open[2]!.end.reject(new Error('no such table'))
  await turn()
  open[3]!.end.reject(new Error('no nft'))
  await lost
  const after = writer.change('c\n')
  assert.equal(open[4]!.script, 'c\n')
  open[4]!.end.resolve()
  await after
})

test('a rewrite is not split by changes that wait with it, and no change is no transaction', async () => {
  const { open, writer, turn } = setUp()
  await writer.change('')
  const done = Promise.all([writer.change('a\n'), writer.change('b\n'), writer.rewrite()])
  open[0]!.end.resolve()
  await turn()
  assert.deepEqual(
    open.map(({ script }) => script),
    ['a\n', 'everything'],
  )
  open[1]!.end.resolve()
  await done
})
