import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, parseBytes } from './bytes.ts'

test('sizes are read as Docker reads them', () => {
  const sizes: [text: string, bytes: number | undefined][] = [
    ['0', 0],
    ['1', 1],
    ['10G', 10 * 2 ** 30],
    ['10g', 10 * 2 ** 30],
    ['10 GiB', 10 * 2 ** 30],
    ['512mb', 2 ** 29],
    ['1.5k', 1536],
    ['2P', 2 ** 51],
    ['', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    ['G', undefined],
    ['10X', undefined],
    ['999999999999P', undefined],
  ]
  for (const [text, bytes] of sizes) assert.equal(parseBytes(text), bytes, text)
})

test('sizes are told in the largest unit they fill', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 10 * 2 ** 30, 2 ** 60].map(formatBytes), [
    ...['0 B', '1023 B', '1 KiB', '1.5 KiB', '10 GiB', '1024 PiB'],
  ])
})
