import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DetachScanner, defaultDetachKeys, parseDetachKeys } from './detach-keys.ts'

test('detach keys are read in the text form of docker', () => {
  assert.deepEqual([...parseDetachKeys('')], [16, 17])
  assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17])
  assert.deepEqual([...parseDetachKeys('a')], [97])
  assert.deepEqual([...parseDetachKeys('ctrl-@,ctrl-[,ctrl-_,Z')], [0, 27, 31, 90])
})

test('detach keys that make no sense are refused in the words of dockerd', () => {
  for (const text of ['ctrl-', 'ab', 'ctrl-1', ',', 'é', Array(40).fill('a').join(',')]) {
    assert.throws(() => parseDetachKeys(text), {
      kind: 'invalid',
      message: `Invalid detach keys (${text}) provided`,
    })
  }
})

/** All that passed, and whether the keys were seen. */
function scanAll(keys: Buffer, chunks: readonly Buffer[]): { passed: Buffer; detached: boolean } {
  const scanner = new DetachScanner(keys)
  const passed: Buffer[] = []
  for (const chunk of chunks) {
    const { pass, detached } = scanner.scan(chunk)
    passed.push(pass)
    if (detached) return { passed: Buffer.concat(passed), detached }
  }
  return { passed: Buffer.concat([...passed, scanner.flush()]), detached: false }
}

const byte = fc.constantFrom(1, 2, 3)
const bytes = fc.array(byte, { maxLength: 20 }).map((list) => Buffer.from(list))

test('the keys are found wherever the input is cut, nothing before them is lost, nothing after them passes', () => {
  const keys = fc.array(byte, { minLength: 1, maxLength: 4 }).map((list) => Buffer.from(list))
  fc.assert(
    fc.property(keys, fc.array(bytes, { maxLength: 8 }), (wanted, chunks) => {
      const whole = Buffer.concat(chunks)
      const at = whole.indexOf(wanted)
      const { passed, detached } = scanAll(wanted, chunks)
      assert.equal(detached, at >= 0)
      assert.deepEqual(passed, at >= 0 ? whole.subarray(0, at) : whole)
    }),
  )
})

test('the beginning of the keys is passed on when it turns out not to be them', () => {
  const { passed, detached } = scanAll(defaultDetachKeys, [
    Buffer.from([16]),
    Buffer.from([16, 65]),
    Buffer.from([16]),
  ])
  assert.equal(detached, false)
  assert.deepEqual([...passed], [16, 16, 65, 16])
})
