import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type TestEntry, tar, tarEntry } from '../lib/support/tar.ts'
import { type BuildContext, receiveContext } from './context.ts'
import { type BuildLimits, defaultLimits } from './limits.ts'
import { resolve } from './tree.ts'

function receiver(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'hb-context-'))
  t.after(() => rmSync(directory, { recursive: true }))
  let count = 0
  return {
    left: () => readdirSync(directory),
    receive(
      content: Buffer,
      options: { limits?: Partial<BuildLimits>; chunkBytes?: number; signal?: AbortSignal } = {},
    ) {
      const { chunkBytes = 100 } = options
      const chunks = async function* () {
        for (let at = 0; at < content.length; at += chunkBytes) yield content.subarray(at, at + chunkBytes)
      }
      return receiveContext(chunks(), {
        path: join(directory, String(count++)),
        limits: { ...defaultLimits, ...options.limits },
        signal: options.signal ?? new AbortController().signal,
      })
    },
  }
}

async function read(context: BuildContext, path: string): Promise<string | null> {
  const { node } = resolve(context, path, { follow: true })
  if (node?.kind !== 'file') return node?.kind ?? null
  return Buffer.concat(await Array.fromAsync(context.content(node))).toString()
}

test('files are found by their names, whatever pieces they came in, and nothing stays of them', async (t) => {
  const { receive, left } = receiver(t)
  const content = tar(
    { name: './', type: '5' },
    { name: './d/', type: '5', mode: 0o700 },
    { name: 'd/f', data: 'x'.repeat(2_000) },
    { name: '/abs', data: 'absolute' },
    { name: 'implied/by/g', data: 'g' },
    { name: 'again', type: '1', link: 'd/f' },
    { name: 'link', type: '2', link: '../../../d/f' },
    { name: 'd', type: '5', mode: 0o711 },
    { name: 'abs', data: 'replaced' },
    { name: 'p', type: '6' },
  )
  for (const chunkBytes of [1, 511, 512, 100_000]) {
    await using context = await receive(content, { chunkBytes })
    assert.equal(await read(context, 'd/f'), 'x'.repeat(2_000))
    assert.equal(await read(context, 'again'), 'x'.repeat(2_000))
    // A link never leads out of the tree.
    assert.equal(await read(context, 'link'), 'x'.repeat(2_000))
    assert.deepEqual([await read(context, 'abs'), await read(context, 'implied/by/g')], ['replaced', 'g'])
    assert.deepEqual([await read(context, 'p'), await read(context, 'nosuch')], ['fifo', null])
    assert.deepEqual(context.names(context.root), ['abs', 'again', 'd', 'implied', 'link', 'p'])
    assert.equal(context.root.children.get('d')!.mode, 0o711)
  }
  assert.deepEqual(left(), [])
})

test('links that lead nowhere or in circles are no trouble', async (t) => {
  await using context = await receiver(t).receive(
    tar(
      { name: 'a', type: '2', link: 'b' },
      { name: 'b', type: '2', link: 'a' },
      { name: 'c', type: '2', link: 'x/y' },
    ),
  )
  assert.throws(() => resolve(context, 'a', { follow: true }), {
    message: 'a: too many levels of symbolic links',
  })
  assert.equal(resolve(context, 'c', { follow: true }).node, null)
  assert.deepEqual(resolve(context, 'c/../../x', { follow: true }).parts, ['x'])
})

test('what leads out of the context, is too much, or is no tar is refused, and leaves nothing', async (t) => {
  const { receive, left } = receiver(t)
  const cases: [content: Buffer, error: RegExp, limits?: Partial<BuildLimits>][] = [
    [tar({ name: '../x', data: '' }), /cannot be used/],
    [tar({ name: 'a/../../x', data: '' }), /cannot be used/],
    [tar({ name: 'n'.repeat(256), data: '' }), /cannot be used/],
    [tar({ name: 'l', type: '1', link: 'nosuch' }), /no file of the build context/],
    [tar({ name: 'l', type: '1', link: '../x' }), /cannot be used/],
    [tar({ name: 'd/', type: '5' }, { name: 'l', type: '1', link: 'd' }), /no file of the build context/],
    [tar({ name: './', type: '0' }, { name: '', data: 'x' }), /root of a build context/],
    [
      tar({
        name: 's',
        data: 'end',
        pax: [
          ['GNU.sparse.size', '9999999'],
          ['GNU.sparse.map', '9999996,3'],
        ],
      }),
      /sparse files are not supported/,
    ],
    [tarEntry({ name: 'cut', data: 'x'.repeat(1_000) }).subarray(0, 700), /unexpected EOF/],
    [Buffer.alloc(1_024, 'x'), /invalid tar header/],
    [tar({ name: 'a' }, { name: 'b' }, { name: 'c' }), /more than 2 files/, { contextEntriesMax: 2 }],
    [tar({ name: 'a', data: 'x'.repeat(11) }), /more than 10 bytes/, { contextBytesMax: 10 }],
  ]
  for (const [content, error, limits = {}] of cases) {
    await assert.rejects(receive(content, { limits }), error, String(error))
  }
  await assert.rejects(receive(tar({ name: 'a' }), { signal: AbortSignal.abort() }), { name: 'AbortError' })
  assert.deepEqual(left(), [])
})

test('any sequence of entries is a tree or is refused as the fault of who sent it', async (t) => {
  const { receive, left } = receiver(t)
  const name = fc.constantFrom('a', 'a/b', 'a/b/c', './', '..', 'a/', '')
  const entry = fc.record({ name, type: fc.constantFrom('0', '1', '2', '5', '6'), link: name })
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (entries) => {
      try {
        await using context = await receive(tar(...(entries as TestEntry[])))
        for (const path of ['a', 'a/b', 'a/b/c']) await read(context, path)
      } catch (error) {
        assert.equal((error as { kind?: string }).kind, 'invalid', String(error))
      }
    }),
    { numRuns: 300 },
  )
  assert.deepEqual(left(), [])
})
