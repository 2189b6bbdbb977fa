import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type TestEntry, tar } from '../../lib/support/tar.ts'
import { cat, listing, paths } from '../support/fixture.ts'
import { merger } from '../support/merge.ts'

const dir = (name: string, mode = 0o755): TestEntry => ({ name, type: '5', mode })
const file = (name: string, data = name): TestEntry => ({ name, data })

test('upper layers win, and whiteouts take away what is below them', async (t) => {
  const { merge } = merger(t)
  const cases: [what: string, layers: TestEntry[][], expected: string[]][] = [
    ['a file over a file', [[file('a', '1')], [file('a', '2')]], ['/a']],
    ['a whiteout', [[file('a'), file('b')], [file('.wh.a')]], ['/b']],
    ['a whiteout of a directory', [[file('d/e/f'), file('g')], [file('.wh.d')]], ['/g']],
    ['a whiteout of what is not there', [[file('a')], [file('.wh.x'), file('no/.wh.y')]], ['/a']],
    ['a whiteout in its own lowest layer', [[file('a'), file('.wh.a')]], ['/a']],
    ['a whiteout after the same name anew', [[file('a')], [file('a'), file('.wh.a')]], ['/a']],
    ['a whiteout before the same name anew', [[file('a')], [file('.wh.a'), file('a')]], ['/a']],
    [
      'a whiteout of a directory that has something new',
      [[file('d/old')], [file('d/new'), file('.wh.d')]],
      ['/d', '/d/new'],
    ],
    [
      'an opaque directory',
      [
        [file('d/a'), file('d/e/b')],
        [dir('d'), file('d/.wh..wh..opq'), file('d/c')],
      ],
      ['/d', '/d/c'],
    ],
    [
      'an opaque mark at the end',
      [
        [file('d/a'), file('d/e/b')],
        [dir('d'), file('d/e/c'), file('d/.wh..wh..opq')],
      ],
      ['/d', '/d/e', '/d/e/c'],
    ],
    [
      'an opaque root',
      [
        [file('a'), file('d/b')],
        [file('.wh..wh..opq'), file('c')],
      ],
      ['/c'],
    ],
    [
      'opaque twice',
      [[file('d/a')], [dir('d'), file('d/.wh..wh..opq'), file('d/b'), file('d/.wh..wh..opq')]],
      ['/d', '/d/b'],
    ],
    [
      'opaque in each of three layers',
      [[file('d/a')], [file('d/.wh..wh..opq'), file('d/b')], [file('d/.wh..wh..opq'), file('d/c')]],
      ['/d', '/d/c'],
    ],
    ['a file over a directory', [[file('d/a')], [file('d')]], ['/d']],
    ['a directory over a file', [[file('d')], [file('d/a')]], ['/d', '/d/a']],
    ['a directory over a directory', [[file('d/a')], [dir('d', 0o700)]], ['/d', '/d/a']],
    [
      'a name below a symbolic link replaces it',
      [[{ name: 'l', type: '2', link: 'd' }, dir('d')], [file('l/x')]],
      ['/d', '/l', '/l/x'],
    ],
    ["AUFS's own notes", [[file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), file('a')]], ['/a']],
    ['names like whiteouts', [[file('a.wh.'), file('.whx')]], ['/.whx', '/a.wh.']],
    [
      'names written in other ways',
      [[file('./a'), file('/b'), file('c//d/./e')]],
      ['/a', '/b', '/c', '/c/d', '/c/d/e'],
    ],
  ]
  for (const [what, layers, expected] of cases) {
    const found = await paths(merge(layers.map((entries) => tar(...entries))))
    assert.deepEqual(found.sort(), expected, what)
  }
})

test('the last of one name in a layer wins, and directories keep the last that is said of them', async (t) => {
  const { merge } = merger(t)
  const path = merge([
    tar(
      dir('d', 0o700),
      file('d/a', 'first'),
      { name: 'd/a', data: 'second', mode: 0o600 },
      dir('d', 0o1777),
    ),
    tar(file('d/b')),
    tar({ name: './', type: '5', mode: 0o711, uid: 3, gid: 4, mtime: 86_400 }),
  ])
  assert.deepEqual(await listing(path), [
    'drwx--x--x 3/4 24 1970-01-02 00:00 ',
    'drwxrwxrwt 0/0 33 1970-01-01 00:00 /d',
    '-rw------- 0/0 6 1970-01-01 00:00 /d/a',
    '-rw-r--r-- 0/0 3 1970-01-01 00:00 /d/b',
  ])
  assert.equal(await cat(path, 'd/a'), 'second')
})

test('hard links lead to one file, also across layers, and outlive the name they were made from', async (t) => {
  const { merge } = merger(t)
  const path = merge([
    tar(file('a', 'same'), { name: 'b', type: '1', link: 'a' }),
    tar({ name: 'c', type: '1', link: './b' }, file('.wh.a'), file('b', 'other')),
  ])
  assert.deepEqual((await paths(path)).sort(), ['/b', '/c'])
  assert.equal(await cat(path, 'c'), 'same')
  assert.equal(await cat(path, 'b'), 'other')
})

/** A layer as a tree of its own: what it says of each name, and of what is below it. */
interface Model {
  /** Whiteouts alone make no directory. */
  real: boolean
  data: string | null
  opaque: boolean
  gone: Set<string>
  children: Map<string, Model>
}

const model = (): Model => ({ real: false, data: null, opaque: false, gone: new Set(), children: new Map() })

function at(root: Model, parts: string[], real: boolean): Model {
  return parts.reduce((node, part) => {
    if (!node.children.has(part)) node.children.set(part, model())
    node.children.get(part)!.real ||= real
    return node.children.get(part)!
  }, root)
}

/** Lays one layer's tree over another, as overlay does. */
function lay(lower: Model | undefined, upper: Model): Model {
  if (upper.data !== null) return upper
  const result = model()
  if (lower && lower.data === null && !upper.opaque) {
    for (const [name, child] of lower.children) if (!upper.gone.has(name)) result.children.set(name, child)
  }
  for (const [name, child] of upper.children) {
    const below = result.children.get(name)
    if (child.real || below) result.children.set(name, lay(below, child))
  }
  return result
}

const flatten = (node: Model, path = ''): string[] =>
  [...node.children].flatMap(([name, child]) => [
    `${path}/${name}${child.data === null ? '/' : `=${child.data}`}`,
    ...(child.data === null ? flatten(child, `${path}/${name}`) : []),
  ])

test('merging any layers, one entry after another, gives what laying their trees over one another does', async (t) => {
  const { merge } = merger(t)
  const name = fc.constantFrom('a', 'b', 'c')
  // Directories are upper case, so that within a layer no name is both.
  const folder = fc.array(fc.constantFrom('D', 'E'), { maxLength: 2 })
  const step = fc.record({
    folder,
    name,
    kind: fc.constantFrom('file', 'file', 'dir', 'gone', 'gone-dir', 'opaque'),
  })
  let runs = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { maxLength: 8 }), { minLength: 2, maxLength: 4 }),
      async (layers) => {
        runs++
        let expected = model()
        const tars = layers.map((steps, layer) => {
          const tree = model()
          const entries = steps.map(({ folder, name, kind }, i): TestEntry => {
            const path = folder.map((part) => `${part}/`).join('')
            if (kind === 'file') {
              at(tree, [...folder, name], true).data = `${layer}.${i}`
              return file(path + name, `${layer}.${i}`)
            }
            if (kind === 'dir') {
              at(tree, [...folder, 'E'], true)
              return dir(`${path}E/`)
            }
            return hide(tree, folder, path, kind === 'opaque' ? null : kind === 'gone' ? name : 'D')
          })
          expected = lay(expected, tree)
          return tar(...entries)
        })
        const found = (await listing(merge(tars, { chunkBytes: 700 }))).slice(1)
        const names = found.map((line) =>
          line.startsWith('d') ? `${line.split(' ').at(-1)}/` : line.split(' ').at(-1)!,
        )
        assert.deepEqual(
          names.sort(),
          flatten(expected)
            .map((line) => line.split('=')[0]!)
            .sort(),
        )
      },
    ),
    { numRuns: 150 },
  )
  assert.equal(runs, 150)
})

function hide(tree: Model, folder: string[], path: string, name: string | null): TestEntry {
  const node = at(tree, folder, false)
  if (name === null) node.opaque = true
  else node.gone.add(name)
  return file(path + (name === null ? '.wh..wh..opq' : `.wh.${name}`), '')
}
