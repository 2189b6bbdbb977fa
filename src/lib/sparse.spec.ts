import assert from 'node:assert/strict'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GiB, MiB } from '../lib/units.ts'
import { readSparse, writeSparse } from './sparse.ts'
import { tscKhzFrom } from './tsc.ts'
import { Uids } from './uids.ts'

test('a sparse file is written again as it was, with its holes', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'hb-sparse-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'a')
  const file = await open(path, 'wx')
  await file.truncate(3 * GiB)
  const pieces = [
    [0, 'begin'],
    [MiB - 3, 'across a megabyte'],
    [5 * MiB + 4096, 'later'],
  ] as const
  for (const [at, text] of pieces) await file.write(text, at)
  await file.close()
  const image = await readSparse(path)
  const copy = join(directory, 'b')
  await writeSparse(copy, image, process.getuid!())
  const { size, blocks, mode } = await stat(copy)
  assert.deepEqual([size, mode & 0o777], [3 * GiB, 0o600])
  assert.ok(blocks * 512 < MiB, `${blocks} blocks`)
  const head = await open(copy, 'r')
  t.after(() => head.close())
  for (const [at, text] of pieces) {
    const { buffer } = await head.read(Buffer.alloc(text.length), 0, text.length, at)
    assert.equal(buffer.toString(), text)
  }
  await assert.rejects(writeSparse(copy, image, 0), { code: 'EEXIST' })
})

test('every sandbox has a user of its own, until it is given back', () => {
  const uids = new Uids('whose')
  const first = uids.take()
  uids.reserve(first + 1)
  assert.equal(uids.take(), first + 2)
  uids.release(first)
  const taken = new Set(Array.from({ length: 65_534 }, () => uids.take()))
  assert.ok(taken.has(first))
  assert.throws(() => uids.take(), /all it has users for/)
})

test("the counter's frequency is what the host's kernel said, else the processor's", () => {
  const log =
    '[    0.000059] tsc: Detected 2596.122 MHz processor\n[    1.0] tsc: Refined TSC clocksource calibration: 2595.124 MHz\n'
  assert.equal(tscKhzFrom(log, ''), 2_595_124)
  assert.equal(tscKhzFrom(log.split('\n')[0]!, ''), 2_596_122)
  assert.equal(tscKhzFrom('', 'processor : 0\ncpu MHz\t\t: 3000.5\n'), 3_000_500)
  assert.equal(tscKhzFrom('', ''), null)
})
