import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../../lib/spawn.ts'
import { base256, tar, tarEntry } from '../../lib/support/tar.ts'
import type { FileEntry, FileRecord } from '../ports/files.ts'
import { fakeEntry } from '../support/fake-files.ts'
import { layerTar } from './layer-tar.ts'
import { recordsOf } from './tar-in.ts'
import { tarOf } from './tar-out.ts'

async function* of(entries: readonly (FileEntry & { text?: string })[]): AsyncGenerator<FileRecord> {
  for (const { text, ...entry } of entries) {
    const content = Buffer.from(text ?? '')
    yield entry.kind === 'file'
      ? { entry: { ...entry, size: content.length }, content: one(content) }
      : { entry: { ...entry } }
  }
}

async function* one(chunk: Buffer): AsyncGenerator<Buffer> {
  if (chunk.length > 0) yield chunk
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function bytesOf(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

async function read(bytes: Buffer, options: { owner?: { uid: number; gid: number }; size?: number } = {}) {
  const found: (FileEntry & { text?: string })[] = []
  for await (const { entry, content } of recordsOf(pieces(bytes, options.size ?? 100), {
    directory: '/to',
    ...options,
  })) {
    found.push(content ? { ...entry, text: (await bytesOf(content)).toString() } : entry)
  }
  return found
}

const all: (FileEntry & { text?: string })[] = [
  fakeEntry('d', { kind: 'directory', mode: 0o1777, uid: 1, gid: 2 }),
  { ...fakeEntry('d/file', { mode: 0o4755, mtimeNs: 1_600_000_000_000_000_000n }), text: 'hello' },
  fakeEntry('d/link', { kind: 'link', target: 'd/file' }),
  fakeEntry('d/symlink', { kind: 'symlink', mode: 0o777, target: '../elsewhere' }),
  fakeEntry('d/tty', { kind: 'character', device: { major: 5, minor: 0 } }),
  fakeEntry('d/disk', { kind: 'block', device: { major: 8, minor: 1 } }),
  fakeEntry('d/fifo', { kind: 'fifo' }),
  { ...fakeEntry(`d/${'long'.repeat(40)}`, { uid: 4_000_000_000, mtimeNs: -1_000_000_000n }), text: '' },
  { ...fakeEntry('d/ü'), text: 'x'.repeat(3000) },
  { ...fakeEntry('d/not\udcff utf8'), text: '' },
  {
    ...fakeEntry('d/able', { xattrs: new Map([['security.capability', Buffer.from([1, 0, 255, 10])]]) }),
    text: 'ping',
  },
]

test('what is written as a tar is read back the same, in pieces of any size', async () => {
  const bytes = await bytesOf(tarOf(of(all), (path) => path))
  assert.equal(bytes.length % 512, 0)
  for (const size of [1, 511, 512, 100_000]) {
    const back = await read(bytes, { size })
    assert.deepEqual(
      back,
      all.map((entry) => (entry.text === undefined ? entry : { ...entry, size: entry.text.length })),
    )
  }
})

test('GNU tar reads what is written', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hb-tar-'))
  try {
    writeFileSync(join(directory, 'a.tar'), await bytesOf(tarOf(of(all), (path) => path)))
    const { stdout } = await run('tar', [
      '-tvf',
      join(directory, 'a.tar'),
      '--numeric-owner',
      '--quoting-style=literal',
    ])
    const lines = String(stdout).trim().split('\n')
    assert.equal(lines.length, all.length)
    assert.match(lines[0]!, /^drwxrwxrwt 1\/2 +0 .* d\/$/)
    assert.match(lines[1]!, /^-rwsr-xr-x 0\/0 +5 .* d\/file$/)
    assert.match(lines[2]!, /^h.* d\/link link to d\/file$/)
    assert.match(lines[7]!, /4000000000\/0 +0 1969-12-31/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('sockets, times below a second and attributes of the machine do not travel', async () => {
  const entries = [
    fakeEntry('s', { kind: 'socket' }),
    fakeEntry('d', {
      kind: 'directory',
      mtimeNs: 1_600_000_000_999_999_999n,
      xattrs: new Map([['trusted.overlay.opaque', Buffer.from('y')]]),
    }),
  ]
  const [only, ...more] = await read(await bytesOf(tarOf(of(entries), (path) => path)))
  assert.deepEqual(
    [only, more],
    [fakeEntry('d', { kind: 'directory', mtimeNs: 1_600_000_000_000_000_000n }), []],
  )
})

test('all of an archive becomes one user’s when that is asked for', async () => {
  const owner = { uid: 7, gid: 8 }
  for (const entry of await read(tar({ name: 'a', uid: 1, gid: 2 }, { name: 'b/', type: '5' }), { owner })) {
    assert.deepEqual([entry.uid, entry.gid], [7, 8])
  }
})

test('holes of a sparse file are zeros', async () => {
  const pax = {
    'GNU.sparse.major': '0',
    'GNU.sparse.minor': '1',
    'GNU.sparse.size': '200000',
    'GNU.sparse.map': '199998,2',
  }
  const [file] = await read(tar({ name: 'f', data: 'ab', pax }))
  assert.equal(file!.size, 200_000)
  assert.equal(file!.text, `${'\0'.repeat(199_998)}ab`)
})

test('a hostile tar is refused', async () => {
  const hostile: [why: RegExp, bytes: Buffer][] = [
    [/outside of "\/to"/, tar({ name: '../../etc/passwd', data: 'x' })],
    [/invalid hardlink/, tar({ name: 'x', type: '1', link: '../../etc/shadow' })],
    [/out of range/, tar({ name: 'x', size: base256(1n << 60n) })],
    [/an extended header is too large/, tar({ name: 'x', type: 'x', size: 1 << 30 })],
    [/are not supported/, tar({ name: 'x', type: 'V' })],
    [/unexpected EOF/, tarEntry({ name: 'x', data: 'y'.repeat(600) }).subarray(0, 900)],
    [/root is no directory/, tar({ name: './', type: '2', link: '/etc' })],
    [/leads nowhere/, tar({ name: 'x', type: '2', link: '' })],
  ]
  for (const [why, bytes] of hostile)
    await assert.rejects(read(bytes), { kind: 'invalid', message: why }, String(why))
})

test('a container’s own layer tells of what is gone by names', async () => {
  const entries = [
    fakeEntry('', { kind: 'directory' }),
    fakeEntry('etc', { kind: 'directory' }),
    fakeEntry('etc/issue', { kind: 'character' }),
    fakeEntry('srv', { kind: 'directory', xattrs: new Map([['trusted.overlay.opaque', Buffer.from('y')]]) }),
    { ...fakeEntry('srv/new'), text: 'n' },
  ]
  const names = (await read(await bytesOf(layerTar(of(entries))))).map(({ path }) => path)
  assert.deepEqual(names, ['etc', 'etc/.wh.issue', 'srv', 'srv/.wh..wh..opq', 'srv/new'])
  await assert.rejects(bytesOf(layerTar(of([fakeEntry('a/.wh.b')]))), {
    kind: 'invalid',
    code: 'whiteout_name',
  })
  assert.equal((await bytesOf(layerTar(of([fakeEntry('', { kind: 'directory' })])))).length, 1024)
})
