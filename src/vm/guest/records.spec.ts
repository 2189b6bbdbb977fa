import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileEntry } from '../../engine/ports/files.ts'
import { hasCode } from '../../lib/errors.ts'
import { FieldReader, FieldWriter } from './fields.ts'
import { tags } from './protocol.ts'
import { changeOf, encodeEntry, entryOf, recordHeader, recordHeaderBytes, resolvedOf } from './records.ts'

const entry: FileEntry = {
  ...{ path: 'a/b', kind: 'file', mode: 0o4755, uid: 1, gid: 2, mtimeNs: -5n, size: 9, target: '' },
  ...{ device: { major: 0, minor: 0 }, xattrs: new Map([['user.x', Buffer.from('\0y')]]) },
}
const badGuest = (error: unknown) => hasCode(error, 'bad_guest')
const read = (fields: FieldWriter) => new FieldReader(fields.toBuffer())

test('an entry comes back as it was, of whatever kind it is', () => {
  const none = { size: 0 }
  const entries: FileEntry[] = [
    entry,
    { ...entry, ...none, path: '', kind: 'directory', mtimeNs: 1n << 62n },
    { ...entry, ...none, kind: 'symlink', target: '../\udcff/..' },
    { ...entry, ...none, kind: 'link', target: 'a/c' },
    { ...entry, ...none, kind: 'character', device: { major: 4095, minor: 1_048_575 } },
    { ...entry, ...none, kind: 'block', device: { major: 0, minor: 0 } },
    { ...entry, ...none, kind: 'fifo' },
    { ...entry, ...none, kind: 'socket' },
  ]
  for (const one of entries) {
    const bytes = encodeEntry(one)
    const { fieldsBytes, size } = recordHeader(bytes.subarray(0, recordHeaderBytes))
    assert.equal(bytes.length, recordHeaderBytes + fieldsBytes)
    assert.deepEqual(entryOf(new FieldReader(bytes.subarray(recordHeaderBytes)), size), one)
  }
})

test('what a tree cannot hold is not sent', () => {
  for (const path of ['/a', 'a/', '..', 'a/./b', 'a\0'])
    assert.throws(
      () => encodeEntry({ ...entry, path }),
      (error) => hasCode(error, 'bad_path'),
    )
  const xattrs = new Map([['user.big', Buffer.alloc(1 << 20)]])
  assert.throws(
    () => encodeEntry({ ...entry, xattrs }),
    (error) => hasCode(error, 'too_large'),
  )
})

test('a guest that sends what is no tree is found out', () => {
  const fields = (path: string | Buffer, mode = 0o100644, target = '') => {
    const writer = new FieldWriter().bytes(tags.path, Buffer.from(path as string)).u32(tags.mode, mode)
    return read(target ? writer.text(tags.target, target) : writer)
  }
  for (const path of ['/etc', '../up', 'a/../../b', 'a//b', 'a\0b', 'x'.repeat(4096)])
    assert.throws(() => entryOf(fields(path), 0), badGuest, path)
  assert.throws(() => entryOf(fields('a', 0o100644, '../../etc/shadow'), 0), badGuest)
  assert.throws(() => entryOf(fields('a', 0o040755), 1), badGuest)
  assert.throws(() => entryOf(fields('a', 0o120777), 0), badGuest)
  assert.throws(() => entryOf(fields('a', 0o644), 0), badGuest)
  assert.throws(() => entryOf(read(new FieldWriter().text(tags.path, 'a').u64(tags.mode, 1)), 0), badGuest)
  const header = Buffer.alloc(recordHeaderBytes)
  assert.throws(() => recordHeader(header), badGuest)
  header.writeUInt32LE(0x46464248)
  header.writeUInt32LE((1 << 20) + 1, 4)
  assert.throws(() => recordHeader(header), badGuest)
  header.writeUInt32LE(0, 4)
  header.writeBigUInt64LE(1n << 60n, 8)
  assert.throws(() => recordHeader(header), badGuest)
})

test('changes and where a symlink leads are absolute', () => {
  const change = (path: string, action: number) =>
    changeOf(read(new FieldWriter().text(tags.path, path).u32(tags.action, action)))
  assert.deepEqual(change('/a/b', 2), { path: '/a/b', kind: 'deleted' })
  for (const [path, action] of [
    ['a', 0],
    ['/', 0],
    ['/a/../b', 0],
    ['/a', 3],
  ] as const)
    assert.throws(() => change(path, action), badGuest)
  const resolved = (path: string) => resolvedOf(read(new FieldWriter().text(tags.sourcePath, path)))
  assert.deepEqual([resolved(''), resolved('/'), resolved('/a')], ['', '/', '/a'])
  assert.throws(() => resolved('a/b'), badGuest)
})
