import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSignal } from './signals.ts'

test('signals are known by name, with and without SIG, in any case, and by number', () => {
  const cases = {
    KILL: 9,
    SIGKILL: 9,
    sigterm: 15,
    9: 9,
    USR2: 12,
    SIGSYS: 31,
    RTMIN: 34,
    'SIGRTMIN+3': 37,
    'RTMAX-1': 63,
    64: 64,
  }
  for (const [text, number] of Object.entries(cases)) assert.equal(parseSignal(text), number, text)
})

test('what is no signal is refused in words that name it', () => {
  for (const text of ['', '0', '65', 'SIG', 'NOPE', '-9', '1e1', 'RTMAX+1', 'RTMIN-1', 'toString']) {
    assert.throws(() => parseSignal(text), {
      kind: 'invalid',
      code: 'invalid_signal',
      message: `Invalid signal: ${text}`,
    })
  }
})
