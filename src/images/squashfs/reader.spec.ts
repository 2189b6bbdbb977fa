import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestEntry, tar } from '../../lib/support/tar.ts'
import { merger } from '../support/merge.ts'
import { type ImageNode, SquashfsReader } from './reader.ts'

const bytesOf = async (reader: SquashfsReader, node: ImageNode) =>
  Buffer.concat(await Array.fromAsync(reader.content(node)))

test('what was written is read: kinds, owners, links, devices, attributes and names as bytes', async (t) => {
  const { merge } = merger(t)
  const path = merge([
    tar(
      { name: 'd/', type: '5', mode: 0o1750, uid: 7, gid: 4_000_000, pax: { 'SCHILY.xattr.user.d': 'e' } },
      { name: 'd/f', data: 'content', mode: 0o4711, mtime: 1234, uid: 3 },
      { name: 'd/again', type: '1', link: 'd/f' },
      { name: 'd/link', type: '2', link: '../x' },
      { name: 'c', type: '3', device: [5, 300], pax: { 'SCHILY.xattr.user.c': 'dev' } },
      { name: 'p', type: '6', pax: { 'SCHILY.xattr.user.p': 'fifo' } },
      { name: Buffer.from([0xe9]), data: '' },
      { name: 'x', data: 'x', pax: { 'SCHILY.xattr.security.capability': Buffer.from([0, 1, 255]) } },
    ),
  ])
  using reader = new SquashfsReader(path)
  const { root } = reader
  assert.deepEqual(reader.names(root), ['c', 'd', 'p', 'x', '\xe9'])
  const d = reader.child(root, 'd')!
  assert.deepEqual([d.kind, d.mode, d.uid, d.gid], ['directory', 0o1750, 7, 4_000_000])
  assert.equal(d.xattrs.get('user.d')?.toString(), 'e')
  const f = reader.child(d, 'f')!
  assert.deepEqual([f.kind, f.mode, f.mtime, f.size, f.links, f.uid], ['file', 0o4711, 1234, 7, 2, 3])
  assert.equal((await bytesOf(reader, f)).toString(), 'content')
  assert.equal(reader.child(d, 'again')!.inode, f.inode)
  assert.equal(reader.child(d, 'link')!.target, '../x')
  const c = reader.child(root, 'c')!
  assert.deepEqual(
    [c.kind, c.device, c.xattrs.get('user.c')?.toString()],
    ['character', { major: 5, minor: 300 }, 'dev'],
  )
  assert.equal(reader.child(root, 'p')!.xattrs.get('user.p')?.toString(), 'fifo')
  assert.deepEqual([...reader.child(root, 'x')!.xattrs.get('security.capability')!], [0, 1, 255])
  assert.equal(reader.child(root, 'nosuch'), null)
  assert.equal(reader.child(f, 'x'), null)
})

test('contents of every size are read whole, with their holes', async (t) => {
  const { merge } = merger(t)
  const sizes = [0, 1, 16_384, 16_385, 131_072, 131_073, 400_000]
  const files = sizes.flatMap((size): [string, Buffer][] => [
    [`full-${size}`, Buffer.from(Array.from({ length: size }, (_, i) => i % 251))],
    [`zero-${size}`, Buffer.alloc(size)],
    [`late-${size}`, Buffer.alloc(size).fill('x', Math.max(size - 3, 0))],
  ])
  const path = merge([tar(...files.map(([name, data]) => ({ name, data })))])
  using reader = new SquashfsReader(path)
  for (const [name, data] of files) {
    assert.ok((await bytesOf(reader, reader.child(reader.root, name)!)).equals(data), name)
  }
})

test('directories that fill many blocks are read', async (t) => {
  const { merge } = merger(t)
  const entries = Array.from(
    { length: 20_000 },
    (_, i): TestEntry => ({ name: `d/file-number-${i}`, data: String(i) }),
  )
  using reader = new SquashfsReader(merge([tar(...entries)]))
  const d = reader.child(reader.root, 'd')!
  assert.equal(reader.names(d).length, 20_000)
  for (const i of [0, 1, 9_999, 19_999]) {
    const file = reader.child(d, `file-number-${i}`)!
    assert.equal((await bytesOf(reader, file)).toString(), String(i))
  }
})
