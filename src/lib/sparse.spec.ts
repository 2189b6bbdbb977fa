import assert from 'node:assert/strict'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSparse, writeSparse } from './sparse.ts'
import { GiB, MiB } from './units.ts'

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
