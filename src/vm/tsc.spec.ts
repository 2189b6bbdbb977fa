import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tscKhzFrom } from './tsc.ts'

test("the counter's frequency is what the host's kernel said, else the processor's", () => {
  const log =
    '[    0.000059] tsc: Detected 2596.122 MHz processor\n[    1.0] tsc: Refined TSC clocksource calibration: 2595.124 MHz\n'
  assert.equal(tscKhzFrom(log, ''), 2_595_124)
  assert.equal(tscKhzFrom(log.split('\n')[0]!, ''), 2_596_122)
  assert.equal(tscKhzFrom('', 'processor : 0\ncpu MHz\t\t: 3000.5\n'), 3_000_500)
  assert.equal(tscKhzFrom('', ''), null)
})
