import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { cpuMs } from '../../lib/support/cpu-ms.ts'
import { base256, paxRecord, type TestEntry, tar, tarEnd, tarEntry } from '../../lib/support/tar.ts'
import { imageFixture, importTar, paths } from '../support/fixture.ts'
import { merger } from '../support/merge.ts'

const file = (name: string | Buffer, data: string | Buffer = 'x'): TestEntry => ({ name, data })
const link = (name: string, target: string): TestEntry => ({ name, type: '1', link: target })
const symlink = (name: string, target: string): TestEntry => ({ name, type: '2', link: target })
const pax = (
  name: string,
  records: Record<string, string | Buffer>,
  more: Partial<TestEntry> = {},
): TestEntry => ({ name, pax: records, ...more })
const raw = (name: string, paxRaw: string | Buffer): TestEntry => ({ name, paxRaw: Buffer.from(paxRaw) })
const sparse = (map: string, size: string, data = 'xx'): TestEntry => ({
  name: 's',
  data,
  pax: [
    ['GNU.sparse.size', size],
    ['GNU.sparse.map', map],
  ],
})
const patched = (patch: (block: Buffer) => void, more: Partial<TestEntry> = {}): TestEntry => ({
  name: 'a',
  patch,
  ...more,
})
const old = (patch: (block: Buffer) => void, extra = Buffer.alloc(0)): TestEntry => ({
  name: 's',
  type: 'S',
  magic: 'ustar  \0',
  patch,
  extra,
})

/** A file outside everything, that hostile names point at. */
function canary(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'hb-canary-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'canary')
  writeFileSync(path, 'alive')
  return { directory, path, up: `${'../'.repeat(20)}${path.slice(1)}` }
}

type Case = [what: string, entries: TestEntry[] | Buffer, outcome: RegExp | string[]]

const names = (path: string, up: string): Case[] => [
  ['a name that climbs', [file('../x')], /leads out of the image/],
  ['a name that climbs from below', [file('a/../../x')], /leads out of the image/],
  ['a name that climbs to the canary', [file(up)], /leads out of the image/],
  ['a directory that climbs', [{ name: '../', type: '5' }], /leads out of the image/],
  ['only dots', [{ name: '..', type: '5' }], /leads out of the image/],
  ['dots at the end', [file('a/..')], /leads out of the image/],
  [
    'an absolute name',
    [file(path, 'dead')],
    path
      .split('/')
      .slice(1)
      .map((_, i, all) => `/${all.slice(0, i + 1).join('/')}`),
  ],
  ['a name of slashes', [{ name: '////', type: '5' }], []],
  ['an empty name', [{ name: '', type: '5' }], []],
  ['an empty name of a file', [file('')], /the root of an image must be a directory/],
  ['the root as a file', [file('/')], []],
  ['the root as a link', [symlink('.', '/etc')], /the root of an image must be a directory/],
  ['NUL in a long name', [pax('a', { path: 'a\0b' })], /invalid PAX record/],
  ['a name of 256 bytes', [file('n'.repeat(256))], /more than 255 bytes/],
  ['a path of 5000 bytes', [file('n/'.repeat(2500))], /at most 4096/],
  [
    '2000 directories deep',
    [file('n/'.repeat(2000))],
    Array.from({ length: 2000 }, (_, i) => '/n'.repeat(i + 1)),
  ],
  ['backslashes', [file('..\\..\\x')], ['/..\\..\\x']],
  ['control characters', [file('a\u001b[2Jb')], ['/a\u001b[2Jb']],
  ['not UTF-8', [file(Buffer.from([0x61, 0x80]))], ['/a\ufffd']],
  ['two cases of one name', [file('a'), file('A')], ['/A', '/a']],
  ['one name a thousand times', Array.from({ length: 1000 }, () => file('a')), ['/a']],
]

const links = (path: string, up: string): Case[] => [
  [
    'a symbolic link outside, and a file through it',
    [symlink('l', '/'), file('l/etc/x')],
    ['/l', '/l/etc', '/l/etc/x'],
  ],
  [
    'a chain of links, and a file through it',
    [symlink('a', '.'), symlink('b', 'a/..'), file('b/../x')],
    /leads out/,
  ],
  ['a link to the canary, written through', [symlink('l', path), file('l', 'dead')], ['/l']],
  ['a symbolic link that climbs', [symlink('l', up)], ['/l']],
  ['a symbolic link to nothing', [symlink('l', '')], /target that cannot be/],
  ['a symbolic link of 5000 bytes', [symlink('l', 't'.repeat(5000))], /target that cannot be/],
  ['a hard link outside', [link('l', up)], /leads out/],
  ['an absolute hard link', [link('l', path)], /which is no file of the image/],
  ['a hard link to what comes later', [link('l', 'a'), file('a')], /which is no file of the image/],
  ['a hard link to a directory', [{ name: 'd', type: '5' }, link('l', 'd')], /which is no file of the image/],
  ['a hard link to the root', [link('l', '/')], /which is no file of the image/],
  ['a hard link to itself', [file('a'), link('a', 'a')], ['/a']],
  [
    'a hard link through a symbolic link',
    [symlink('s', '/etc'), link('l', 's/passwd')],
    /which is no file of the image/,
  ],
  ['a hard link to a device', [{ name: 'd', type: '3', device: [8, 0] }, link('l', 'd')], ['/d', '/l']],
  ['a hard link with a size', [file('a'), { ...link('l', 'a'), size: 0o7777 }], ['/a', '/l']],
  [
    'a directory over its own hard link',
    [file('a'), link('b', 'a'), { name: 'b', type: '5' }, file('b/c')],
    ['/a', '/b', '/b/c'],
  ],
]

const special = (): Case[] => [
  ['whiteout of the parent', [file('.wh...')], /names nothing/],
  ['whiteout of itself', [file('d/.wh..')], /names nothing/],
  ['whiteout of nothing', [file('.wh.')], /names nothing/],
  ['a whiteout below a whiteout', [file('.wh.a/.wh.b')], []],
  ['a whiteout that climbs', [file('../.wh.etc')], /leads out/],
  ['a whiteout that is a device', [{ name: '.wh.a', type: '3', device: [0, 0] }], []],
  ['an opaque mark with contents', [file('.wh..wh..opq', 'x'.repeat(5000)), file('a')], ['/a']],
  ["overlay's own whiteout", [{ name: 'a', type: '3', device: [0, 0] }], ['/a']],
  [
    'a device with a huge number',
    [patched((block) => base256(1n << 40n, 8).copy(block, 329), { type: '3' })],
    /number that cannot be/,
  ],
  [
    'a device with a negative number',
    [patched((block) => Buffer.alloc(8, 0xff).copy(block, 329), { type: '3' })],
    /number that cannot be/,
  ],
  ['an unknown type', [{ name: 'a', type: 'Z' }], /type "Z" are not supported/],
  ['a multi-volume entry', [{ name: 'a', type: 'M' }], /type "M" are not supported/],
  ['all bits of the mode', [patched((block) => block.write('7777777\0', 100))], ['/a']],
  ["attributes of the overlay's", [pax('a', { 'SCHILY.xattr.trusted.overlay.redirect': '/etc' })], ['/a']],
  ['an attribute of 70,000 bytes', [pax('a', { 'SCHILY.xattr.user.a': 'x'.repeat(70_000) })], /is too large/],
  [
    'an attribute with a name of 300 bytes',
    [pax('a', { [`SCHILY.xattr.user.${'n'.repeat(300)}`]: 'x' })],
    /name of an extended attribute is too long/,
  ],
  [
    'an attribute called __proto__',
    [pax('a', { __proto__: 'x', 'SCHILY.xattr.user.__proto__': 'x' })],
    ['/a'],
  ],
]

const numbers = (): Case[] => [
  ['a negative size', [{ name: 'a', size: base256(-1n & ((1n << 96n) - 1n)) }], /size is out of range/],
  ['a size of 2^63', [{ name: 'a', size: base256(1n << 63n) }], /size is out of range/],
  ['a size of 2^94', [{ name: 'a', size: base256(1n << 94n) }], /out of range/],
  ['a size larger than the tar', [{ name: 'a', size: 10_000_000 }], /unexpected EOF/],
  ['a size that is text', [patched((block) => block.write('hello world\0', 124))], /size is not a number/],
  ['a size of PAX that lies', [pax('a', { size: '999999' }, { data: 'x' })], /unexpected EOF/],
  ['a size of PAX that is negative', [pax('a', { size: '-1' })], /is not a number/],
  ['a size of PAX that is 2^63', [pax('a', { size: '9223372036854775808' })], /is not a number/],
  ['a size over the limit', [pax('a', { size: String(2 ** 40) })], /more than \d+ bytes/],
  ['a user of 2^40', [pax('a', { uid: String(2 ** 40) })], /uid is out of range/],
  ['a negative user', [patched((block) => Buffer.alloc(8, 0xff).copy(block, 108))], /uid is out of range/],
  ['a time that is text', [pax('a', { mtime: 'now' })], /is not a time/],
  ['a time far from now', [pax('a', { mtime: '999999999999999' })], ['/a']],
  ['a wrong checksum', [{ name: 'a', checksum: 1 }], /invalid tar header/],
  ['no tar at all', Buffer.from('hello'.repeat(1000)), /invalid tar header/],
  ['half a header', tarEntry(file('a')).subarray(0, 300), /unexpected EOF/],
  ['half a file', tarEntry(file('a', 'x'.repeat(2000))).subarray(0, 1000), /unexpected EOF/],
  [
    'a long name without an entry',
    Buffer.concat([tarEntry({ name: 'x', type: 'L', data: 'name\0' }), tarEnd]),
    /unexpected EOF/,
  ],
  [
    'a long name of 2 MiB',
    [{ name: 'x', type: 'L', data: 'n'.repeat(2 << 20) }],
    /extended header is too large/,
  ],
  [
    'PAX of 2 MiB',
    [{ name: 'x', type: 'x', data: paxRecord('comment', 'n'.repeat(2 << 20)) }],
    /extended header is too large/,
  ],
  ['a PAX record of no length', [raw('a', '0 path=x\n')], /invalid PAX record/],
  ['a PAX record of a negative length', [raw('a', '-5 path=x\n')], /invalid PAX record/],
  ['a PAX record longer than there is', [raw('a', '99 path=x\n')], /invalid PAX record/],
  ['a PAX record shorter than itself', [raw('a', '3 path=x\n')], /invalid PAX record/],
  ['a PAX record without a key', [raw('a', '6 =abc\n')], /invalid PAX record/],
  ['a PAX record that does not end', [raw('a', '9 path=xy')], /invalid PAX record/],
]

const holes = (): Case[] => [
  ['pieces that overlap', [sparse('0,2,1,0', '9')], /invalid sparse file/],
  ['pieces out of order', [sparse('5,1,0,1', '9')], /invalid sparse file/],
  ['pieces past the end', [sparse('8,2', '9')], /invalid sparse file/],
  ['pieces that do not add up', [sparse('0,1', '9')], /invalid sparse file/],
  ['a piece without a length', [sparse('0,1,2', '9')], /invalid sparse file/],
  ['pieces that are text', [sparse('a,b', '9')], /invalid sparse file/],
  ['pieces of 2^53', [sparse('9007199254740991,2', '9007199254740991')], /invalid sparse file/],
  ['a hole of 2^50 bytes', [sparse('0,2', String(2 ** 50))], /more than \d+ bytes/],
  ['a hundred thousand pieces', [sparse('0,0,'.repeat(100_000).slice(0, -1), '9')], /invalid sparse file/],
  [
    'a map in the data that does not end',
    [
      {
        name: 's',
        data: '9'.repeat(600),
        pax: [
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.realsize', '9'],
        ],
      },
    ],
    /invalid sparse file/,
  ],
  [
    'a map in the data of a million pieces',
    [
      {
        name: 's',
        data: '1000000\n',
        pax: [
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.realsize', '9'],
        ],
      },
    ],
    /invalid sparse file/,
  ],
  [
    'a map in no data',
    [
      {
        name: 's',
        pax: [
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.realsize', '9'],
        ],
      },
      file('a'),
    ],
    /invalid sparse file/,
  ],
  [
    'an old map that goes on for ever',
    [
      old(
        (block) => {
          block[482] = 1
        },
        Buffer.alloc(512 * 4000, 0x31),
      ),
    ],
    /not a number|invalid sparse file/,
  ],
  [
    'an old map past the end',
    [old((block) => block.write('00000000000\x0000000000007\0', 386))],
    /invalid sparse file/,
  ],
]

test('no archive, however made, does more than become an image or be refused', async (t) => {
  const { directory, path, up } = canary(t)
  const { merge, directory: made } = merger(t)
  const cases = [...names(path, up), ...links(path, up), ...special(), ...numbers(), ...holes()]
  assert.ok(cases.length >= 90, `${cases.length} cases`)
  for (const [what, entries, outcome] of cases) {
    const bytes = Buffer.isBuffer(entries) ? entries : tar(...entries)
    for (const chunkBytes of [1 << 20, 509]) {
      const build = () => merge([bytes], { chunkBytes })
      if (outcome instanceof RegExp) {
        assert.throws(
          build,
          (error: Error & { kind?: string }) => {
            assert.match(error.message, outcome, what)
            assert.ok(error.kind === 'invalid' || error.kind === 'exhausted', `${what}: ${error.stack}`)
            return true
          },
          what,
        )
      } else assert.deepEqual((await paths(build())).sort(), [...outcome].sort(), what)
    }
  }
  assert.equal(readFileSync(path, 'utf8'), 'alive')
  assert.deepEqual(readdirSync(directory), ['canary'])
  assert.ok(readdirSync(made).every((name) => name.endsWith('.squashfs')))
})

test('bombs, torn archives and too many files are refused before they cost much', async (t) => {
  const limits = { imageBytesMax: 64 << 20, imageEntriesMax: 5_000 }
  const { images, files } = await imageFixture(t, { limits })
  const zeros = tar(file('zeros', Buffer.alloc(60 << 20)))
  const good = tar(file('a', randomBytes(50_000)))
  const cases: [what: string, archive: Buffer, error: RegExp][] = [
    ['more bytes than an image may have', Buffer.concat([zeros, zeros]), /more than \d+ bytes/],
    [
      'a bomb of gzip',
      gzipSync(Buffer.alloc(200 << 20)),
      /refused as a decompression bomb|more than \d+ bytes/,
    ],
    [
      'a bomb of zstd',
      zstdCompressSync(Buffer.alloc(200 << 20)),
      /refused as a decompression bomb|more than \d+ bytes/,
    ],
    ['gzip cut short', gzipSync(good).subarray(0, 3_000), /cannot be decompressed/],
    ['zstd cut short', zstdCompressSync(good).subarray(0, 3_000), /cannot be decompressed|unexpected EOF/],
    ['gzip in gzip', gzipSync(gzipSync(good)), /invalid tar header|unexpected EOF/],
    [
      'damaged gzip',
      Buffer.concat([gzipSync(good).subarray(0, 2_000), Buffer.alloc(3_000, 7)]),
      /cannot be decompressed/,
    ],
    // Go's reader, so Docker, refuses it too; what was meant to follow cannot be known.
    [
      'garbage behind gzip',
      Buffer.concat([gzipSync(good), Buffer.from('garbage')]),
      /cannot be decompressed/,
    ],
    [
      '5,001 files',
      Buffer.concat([...Array.from({ length: 5_001 }, (_, i) => tarEntry({ name: `f${i}` })), tarEnd]),
      /more than 5000 files/,
    ],
  ]
  for (const [what, archive, error] of cases) await assert.rejects(importTar(images, archive), error, what)
  assert.deepEqual(await files(), { blobs: [], blocks: [], temporary: [] })
  // Behind the end of a tar there may be anything, and zeros behind gzip fill the block of a tape.
  await importTar(images, gzipSync(Buffer.concat([good, Buffer.from('garbage')])))
  await importTar(images, Buffer.concat([gzipSync(good), Buffer.alloc(512)]))
})

test('a million names in memory are ended by a bound on the heap, not by the daemon', async (t) => {
  const { images } = await imageFixture(t, { limits: { buildHeapMiBMax: 24 } })
  const entries = Array.from({ length: 120_000 }, (_, i) => tarEntry({ name: `${i}-${'n'.repeat(80)}` }))
  await assert.rejects(importTar(images, Buffer.concat([...entries, tarEnd])), {
    kind: 'exhausted',
    message: "the names of the image's files take more than 24 MiB of memory",
  })
})

test('opaque marks over and over cost no more than reading them', async (t) => {
  const { merge } = merger(t)
  const many = Buffer.concat([
    ...Array.from({ length: 20_000 }, (_, i) => tarEntry(file(`d/${i}`, ''))),
    tarEnd,
  ])
  const marks = Array.from({ length: 20_000 }, () => tarEntry(file('d/.wh..wh..opq', '')))
  const upper = Buffer.concat([many.subarray(0, -1024), ...marks, tarEnd])
  const cost = cpuMs(() => merge([many, upper]))
  assert.ok(cost < 5_000, `${cost} ms`)
})
