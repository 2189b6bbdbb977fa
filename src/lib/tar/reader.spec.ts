import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { run } from '../../lib/spawn.ts'
import { base256, paxRecord, type TestEntry, tar, tarEnd, tarEntry } from '../support/tar.ts'
import { type TarEntry, TarReader } from './reader.ts'

interface Read
  extends Pick<TarEntry, 'name' | 'type' | 'size' | 'mode' | 'uid' | 'gid' | 'mtime' | 'linkName'> {
  xattrs: Record<string, string>
  content: Buffer
}

function read(bytes: Buffer, chunkBytes = bytes.length): Read[] {
  const entries: Read[] = []
  let parts: Buffer[] = []
  const reader = new TarReader({
    entry: ({ xattrs, deviceMajor: _a, deviceMinor: _b, dataOffset: _c, ...entry }) => {
      parts = []
      const texts = [...xattrs].map(([key, value]) => [key, value.toString('hex')])
      entries.push({ ...entry, xattrs: Object.fromEntries(texts), content: Buffer.alloc(0) })
    },
    data: (chunk) => parts.push(Buffer.from(chunk)),
    hole: (length) => parts.push(Buffer.alloc(length)),
    endEntry: () => {
      entries.at(-1)!.content = Buffer.concat(parts)
    },
  })
  for (let at = 0; at < bytes.length; at += Math.max(chunkBytes, 1))
    reader.push(bytes.subarray(at, at + chunkBytes))
  reader.end()
  return entries
}

const one = (entry: TestEntry) => read(tar(entry))[0]!

test('every field is read, in the dialect it is written in', () => {
  const cases: [what: string, entry: TestEntry, expected: Partial<Read>][] = [
    [
      'a file',
      { name: 'a', data: 'x', mode: 0o4755, uid: 1, gid: 2, mtime: 3 },
      { name: 'a', type: 'file', size: 1, mode: 0o4755, uid: 1, gid: 2, mtime: 3 },
    ],
    ['v7', { name: 'a', data: 'x', magic: '\0\0\0\0\0\0\0\0', type: '\0' }, { name: 'a', type: 'file' }],
    [
      'a directory of v7',
      { name: 'd/', type: '\0', magic: '\0\0\0\0\0\0\0\0' },
      { name: 'd/', type: 'directory' },
    ],
    ['a prefix', { name: 'a', patch: (block) => block.write('p/q', 345) }, { name: 'p/q/a' }],
    [
      'no prefix in GNU',
      { name: 'a', magic: 'ustar  \0', patch: (block) => block.write('p/q', 345) },
      { name: 'a' },
    ],
    [
      'a long name of GNU',
      { name: `${'n'.repeat(300)}/x`, link: 'l'.repeat(200), type: '2' },
      { name: `${'n'.repeat(300)}/x`, linkName: 'l'.repeat(200), type: 'symlink' },
    ],
    [
      'PAX',
      { name: 'a', pax: { path: 'p', mtime: '12.5', uid: '4000000000', gid: '7' } },
      { name: 'p', mtime: 12, uid: 4_000_000_000, gid: 7 },
    ],
    [
      'a size of PAX',
      { name: 'a', data: 'xyz', size: 0, pax: { size: '3' } },
      { size: 3, content: Buffer.from('xyz') },
    ],
    ['a taken back record', { name: 'a', pax: { path: '' } }, { name: 'a' }],
    [
      'numbers of GNU',
      {
        name: 'a',
        data: 'xyz',
        size: base256(3n),
        patch: (block) => base256(4_000_000_000n, 8).copy(block, 108),
      },
      { size: 3, uid: 4_000_000_000 },
    ],
    ['a time before 1970', { name: 'a', pax: { mtime: '-5.5' } }, { mtime: -6 }],
    ['a name that is not UTF-8', { name: Buffer.from([0x61, 0xff, 0x62]) }, { name: 'a\xffb' }],
    ['a name of PAX that is not UTF-8', { name: 'x', pax: { path: Buffer.from([0xe9]) } }, { name: '\xe9' }],
    [
      'attributes as bytes',
      { name: 'a', pax: { 'SCHILY.xattr.security.capability': Buffer.from([1, 0, 0, 2, 0xff, 0x0a]) } },
      { xattrs: { 'security.capability': '01000002ff0a' } },
    ],
    ['a link with a size', { name: 'a', type: '1', link: 'b', size: 10 }, { type: 'link', size: 0 }],
    [
      'a directory with names in it',
      { name: 'd', type: 'D', data: 'Nfile\0' },
      { type: 'directory', size: 0 },
    ],
  ]
  for (const [what, entry, expected] of cases) {
    const found = one(entry)
    for (const [key, value] of Object.entries(expected))
      assert.deepEqual(found[key as keyof Read], value, `${what}: ${key}`)
    assert.equal(
      read(Buffer.concat([tarEntry(entry), tarEntry({ name: 'next' }), tarEnd])).at(-1)!.name,
      'next',
      what,
    )
  }
})

test('global records are passed over, and what follows the end is not read', () => {
  const global = tarEntry({ name: 'g', type: 'g', data: paxRecord('path', 'everywhere') })
  assert.deepEqual(
    read(Buffer.concat([global, tar({ name: 'a' }), Buffer.from('garbage')])).map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(
    read(Buffer.concat([tarEntry({ name: 'a', data: 'x' })])).map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(read(Buffer.alloc(0)), [])
})

const sparseOld = (
  segments: [number, number][],
  realSize: number,
  data: Buffer,
  extra: [number, number][] = [],
): TestEntry => {
  const put = (block: Buffer, at: number, [offset, bytes]: [number, number]) => {
    block.write(`${offset.toString(8).padStart(11, '0')}\0${bytes.toString(8).padStart(11, '0')}\0`, at)
  }
  const extension = Buffer.alloc(extra.length > 0 ? 512 : 0)
  for (const [i, segment] of extra.entries()) put(extension, i * 24, segment)
  return {
    name: 's',
    type: 'S',
    magic: 'ustar  \0',
    data,
    extra: extension,
    patch: (block) => {
      for (const [i, segment] of segments.entries()) put(block, 386 + i * 24, segment)
      if (extra.length > 0) block[482] = 1
      block.write(`${realSize.toString(8).padStart(11, '0')}\0`, 483)
    },
  }
}

test('files with holes are read in all four ways of writing them', () => {
  const data = Buffer.from('AABBB')
  const content = Buffer.from('\0\0\0AA\0\0BBB\0\0')
  const map = Buffer.alloc(512)
  map.write('2\n3\n2\n7\n3\n')
  const pax = (records: [string, string][]): TestEntry['pax'] => [['GNU.sparse.name', 's'], ...records]
  const cases: [string, TestEntry][] = [
    [
      'old',
      sparseOld(
        [
          [3, 2],
          [7, 3],
          [12, 0],
        ],
        12,
        data,
      ),
    ],
    [
      'old, extended',
      sparseOld(
        [
          [0, 0],
          [0, 0],
          [0, 0],
          [3, 2],
        ],
        12,
        data,
        [
          [7, 3],
          [12, 0],
        ],
      ),
    ],
    [
      '0.0',
      {
        name: 'x',
        data,
        pax: pax([
          ['GNU.sparse.size', '12'],
          ['GNU.sparse.numblocks', '2'],
          ['GNU.sparse.offset', '3'],
          ['GNU.sparse.numbytes', '2'],
          ['GNU.sparse.offset', '7'],
          ['GNU.sparse.numbytes', '3'],
        ]),
      },
    ],
    [
      '0.1',
      {
        name: 'x',
        data,
        pax: pax([
          ['GNU.sparse.size', '12'],
          ['GNU.sparse.map', '3,2,7,3'],
        ]),
      },
    ],
    [
      '1.0',
      {
        name: 'x',
        data: Buffer.concat([map, data]),
        pax: pax([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.realsize', '12'],
        ]),
      },
    ],
  ]
  for (const [what, entry] of cases) {
    for (const chunk of [1, 7, 512, 1 << 20]) {
      const [found, next] = read(Buffer.concat([tarEntry(entry), tar({ name: 'next' })]), chunk)
      assert.deepEqual(
        [found!.name, found!.type, found!.size, found!.content],
        ['s', 'file', 12, content],
        what,
      )
      assert.equal(next!.name, 'next', what)
    }
  }
})

test('GNU tar writes what is read here: its dialects, sparse files, long names', async (t) => {
  const { mkdtempSync, rmSync, truncateSync, writeFileSync, mkdirSync, symlinkSync } = await import('node:fs')
  const directory = mkdtempSync('/tmp/hb-gnutar-')
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const long = `${'d'.repeat(120)}/${'e'.repeat(150)}`
  mkdirSync(`${directory}/in/${long}`, { recursive: true })
  writeFileSync(`${directory}/in/${long}/f`, 'deep')
  symlinkSync('t'.repeat(180), `${directory}/in/link`)
  writeFileSync(`${directory}/in/holes`, 'start')
  truncateSync(`${directory}/in/holes`, 3_000_000)
  writeFileSync(`${directory}/in/holes`, 'end', { flag: 'a' })
  for (const options of [
    ['--format=gnu'],
    ['--format=pax'],
    ['--format=pax', '--sparse-version=0.0'],
    ['--format=pax', '--sparse-version=0.1'],
    ['--format=oldgnu'],
  ]) {
    const archive = `${directory}/${options.join('')}.tar`
    await run('tar', ['-C', `${directory}/in`, '--sparse', ...options, '-cf', archive, '.'])
    const { readFileSync } = await import('node:fs')
    const bytes = readFileSync(archive)
    assert.ok(bytes.length < 1_000_000, 'it is sparse')
    const found = read(bytes, 1000)
    const holes = found.find(({ name }) => name === './holes')!
    assert.equal(holes.content.length, 3_000_003, options.join(' '))
    assert.equal(holes.content.toString('latin1', 0, 6), 'start\0')
    assert.equal(holes.content.toString('latin1', 2_999_999), '\0end')
    assert.equal(found.find(({ name }) => name === `./${long}/f`)!.content.toString(), 'deep')
    assert.equal(found.find(({ name }) => name === './link')!.linkName, 't'.repeat(180))
  }
})

test('in whatever pieces a tar comes, it says the same', () => {
  const entry = fc.record({
    name: fc.string({ unit: fc.constantFrom(...'ab/é'), minLength: 1, maxLength: 180 }),
    data: fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes)),
    pax: fc.option(
      fc.dictionary(
        fc.constantFrom('comment', 'SCHILY.xattr.user.a', 'path'),
        fc.string({ minLength: 1, maxLength: 600 }).filter((text) => !text.includes('\0')),
      ),
      { nil: undefined },
    ),
  })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 1500 }), (entries, chunk) => {
      const bytes = tar(...entries.map(({ pax, ...rest }) => (pax ? { ...rest, pax } : rest)))
      assert.deepEqual(read(bytes, chunk), read(bytes))
    }),
    { numRuns: 300 },
  )
})

test('no bytes make the reader do anything but read or refuse', () => {
  const good = tar(
    { name: 'a', data: 'x'.repeat(600), pax: { mtime: '1' } },
    sparseOld([[0, 3]], 9, Buffer.from('abc')),
    { name: 'l', type: '2', link: 'a' },
  )
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 6,
  })
  fc.assert(
    fc.property(damage, fc.boolean(), (changes, sum) => {
      const bytes = Buffer.from(good)
      for (const [at, value] of changes) bytes[at] = value
      if (sum) for (let at = 0; at + 512 <= bytes.length; at += 512) resum(bytes.subarray(at, at + 512))
      try {
        read(bytes, 333)
      } catch (error) {
        assert.equal((error as { kind?: string }).kind, 'invalid', String((error as Error).stack))
      }
    }),
    { numRuns: 5000 },
  )
})

/** So that damage gets past the checksum. */
function resum(block: Buffer) {
  if (block.toString('latin1', 257, 262) !== 'ustar') return
  block.write('        ', 148)
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
}
