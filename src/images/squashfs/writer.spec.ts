import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { run } from '../../lib/spawn.ts'
import { cpuMs } from '../../lib/support/cpu-ms.ts'
import { type TestEntry, tar, tarEnd, tarEntry } from '../../lib/support/tar.ts'
import { listing, paths } from '../support/fixture.ts'
import { merger } from '../support/merge.ts'

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function extract(directory: string, image: string): Promise<string> {
  const target = join(directory, 'out')
  await run('unsquashfs', ['-f', '-no-progress', '-d', target, image])
  return target
}

test('contents of every size come back as they were: fragments, whole blocks, tails and holes', async (t) => {
  const { merge, directory } = merger(t)
  const sizes = [0, 1, 511, 16_383, 16_384, 16_385, 131_071, 131_072, 131_073, 262_144, 400_000]
  const files = sizes.flatMap((size): [string, Buffer][] => [
    [`full-${size}`, Buffer.from(Array.from({ length: size }, (_, i) => i % 251))],
    [`zero-${size}`, Buffer.alloc(size)],
    [`mixed-${size}`, Buffer.alloc(size).fill('x', Math.floor(size / 2))],
    [`late-${size}`, Buffer.alloc(size).fill('x', Math.max(size - 3, 0))],
  ])
  const image = merge([tar(...files.map(([name, data]) => ({ name, data })))], { chunkBytes: 70_000 })
  const out = await extract(directory, image)
  for (const [name, data] of files) assert.equal(hash(readFileSync(join(out, name))), hash(data), name)
})

test('blocks of zeros take no room', async (t) => {
  const { merge, directory } = merger(t)
  const sparse: TestEntry = {
    name: 's',
    data: 'end',
    pax: [
      ['GNU.sparse.size', String(2 ** 33)],
      ['GNU.sparse.map', `${2 ** 33 - 3},3`],
    ],
  }
  const image = merge([tar(sparse, { name: 'z', data: Buffer.alloc(10 << 20) })])
  assert.ok(statSync(image).size < 2 << 20)
  const out = await extract(directory, image)
  const { size, blocks } = await stat(join(out, 's'))
  assert.equal(size, 2 ** 33)
  assert.ok(blocks < 1000)
})

test('a directory of 70,000 names is written in little time and every name is found', async (t) => {
  const { merge } = merger(t)
  const entries = Array.from({ length: 70_000 }, (_, i) => tarEntry({ name: `d/file-number-${i}` }))
  let image = ''
  const cost = cpuMs(() => {
    image = merge([Buffer.concat([...entries, tarEnd])])
  })
  assert.ok(cost < 10_000, `${cost} ms`)
  assert.equal((await paths(image)).length, 70_001)
})

test('names, owners, times, devices and links are kept', async (t) => {
  const { merge, directory } = merger(t)
  const long = 'n'.repeat(255)
  const image = merge([
    tar(
      { name: long, data: 'x' },
      { name: 'new\nline', data: 'y' },
      { name: Buffer.from([0xe9]), data: 'z' },
      { name: 'owner', pax: { uid: '4294967294', gid: '4000000000', mtime: '4294967295' } },
      { name: 'old', pax: { mtime: '-1' } },
      { name: 'far', pax: { mtime: '99999999999' } },
      { name: 'char', type: '3', device: [5, 300], mode: 0o620 },
      { name: 'block', type: '4', device: [259, 65_536] },
      { name: 'fifo', type: '6' },
      { name: 'sticky', type: '5', mode: 0o1777 },
      { name: 'setuid', mode: 0o6755, data: 's' },
      { name: 'link', type: '2', link: '/'.concat('t'.repeat(4000)) },
      { name: 'again', type: '1', link: 'link' },
    ),
  ])
  const out = await extract(directory, image)
  const names = await readdir(out, { encoding: 'latin1' })
  assert.equal(names.length, 13)
  for (const name of [long, 'new\nline', '\xe9']) assert.ok(names.includes(name), name)
  const owner = await stat(join(out, 'owner'))
  assert.deepEqual([owner.uid, owner.gid, owner.mtimeMs], [4_294_967_294, 4_000_000_000, 4_294_967_295_000])
  assert.deepEqual(
    [statSync(join(out, 'old')).mtimeMs, statSync(join(out, 'far')).mtimeMs],
    [0, 4_294_967_295_000],
  )
  const device = (major: number, minor: number) =>
    ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0
  assert.equal((await stat(join(out, 'char'))).rdev, device(5, 300))
  assert.equal((await stat(join(out, 'block'))).rdev, device(259, 65_536))
  const modes = (await listing(image)).map((line) => line.slice(0, 10))
  for (const mode of ['prw-r--r--', 'drwxrwxrwt', '-rwsr-sr-x']) assert.ok(modes.includes(mode), mode)
})

test('extended attributes are kept as bytes, those of the overlay are not', async (t) => {
  const { merge, directory } = merger(t)
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
  const set = {
    'SCHILY.xattr.security.capability': capability,
    'SCHILY.xattr.user.note': Buffer.from([0, 255, 10]),
    'SCHILY.xattr.trusted.overlay.opaque': 'y',
    'SCHILY.xattr.user.overlay.redirect': '/etc',
    'SCHILY.xattr.system.posix_acl_access': 'x',
    'SCHILY.xattr.user.': 'x',
  }
  const image = merge([
    tar(
      { name: 'f', data: 'x', pax: set },
      { name: 'g', pax: set },
      { name: 'd', type: '5', pax: { 'SCHILY.xattr.user.d': 'e' } },
      { name: '.', type: '5', pax: { 'SCHILY.xattr.user.root': 'r' } },
    ),
  ])
  const out = await extract(directory, image)
  const script =
    'import os,sys,json; print(json.dumps({p:{n:os.getxattr(p,n).hex() for n in os.listxattr(p)} for p in sys.argv[1:]}))'
  const { stdout } = await run('python3', [
    '-c',
    script,
    ...['f', 'g', 'd', '.'].map((name) => join(out, name)),
  ])
  const expected = { 'security.capability': capability.toString('hex'), 'user.note': '00ff0a' }
  assert.deepEqual(Object.values(JSON.parse(stdout)), [
    expected,
    expected,
    { 'user.d': '65' },
    { 'user.root': '72' },
  ])
})

test('the same layers give the same bytes, in whatever pieces they come', async (t) => {
  const { merge } = merger(t)
  const layer = tar(
    { name: 'b/c', data: 'x'.repeat(20_000) },
    { name: 'a', data: 'y' },
    { name: 'b/d', type: '1', link: 'a' },
  )
  const images = [1 << 20, 512, 99].map((chunkBytes) => hash(readFileSync(merge([layer], { chunkBytes }))))
  assert.equal(new Set(images).size, 1)
})

test('any tree of directories is listed whole', async (t) => {
  const { merge } = merger(t)
  const part = fc.constantFrom('a', 'b', 'cc', 'd'.repeat(60))
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.array(part, { minLength: 1, maxLength: 6 }), {
        maxLength: 60,
        selector: (parts) => parts.join('/'),
      }),
      async (folders) => {
        const image = merge([
          tar(...folders.map((parts): TestEntry => ({ name: `${parts.join('/')}/`, type: '5' }))),
        ])
        const expected = new Set(
          folders.flatMap((parts) => parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)),
        )
        assert.deepEqual((await paths(image)).sort(), [...expected].sort())
      },
    ),
    { numRuns: 40 },
  )
})
