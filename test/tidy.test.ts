/** Rules about the code, and about what is written of it, as tests: each failure says which file and why it matters. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { test } from 'node:test'
import { checkout } from '../scripts/setup/artifacts.mjs'
import { run } from '../src/lib/spawn.ts'

/** Files that are in the repository, or would be with the next commit. */
const { stdout } = await run('git', [
  '-C',
  checkout,
  'ls-files',
  '--cached',
  '--others',
  '--exclude-standard',
])
const files = stdout.split('\n').filter((file) => file !== '' && existsSync(join(checkout, file)))
const code = files.filter((file) => /\.(ts|mjs|cjs|c|h|sh)$/.test(file) || basename(file) === 'Makefile')
const text = (file: string) => readFileSync(join(checkout, file), 'utf8')
const offenders = (list: readonly string[], isBad: (content: string, file: string) => unknown) =>
  list.filter((file) => isBad(text(file), file))

test('there is code to look at', () => {
  assert.ok(code.length > 200, `only ${code.length} files are seen`)
})

/** What comes before it is for machines. */
const preamble = /^(#!.*\n|\/\/ @ts-check\n|\/\/ biome-ignore-all .*\n)*/

const beginsWithComment = (file: string) => {
  const comment = extname(file) === '.sh' || basename(file) === 'Makefile' ? /^#/ : /^\/\*|^\/\//
  return comment.test(text(file).replace(preamble, ''))
}

test('every file begins by saying what it is for', () => {
  // A spec says it in the titles of its tests, and a C file in its header.
  const bad = code
    .filter((file) => !file.endsWith('.spec.ts') && !file.endsWith('_test.c') && !beginsWithComment(file))
    .filter((file) => !code.includes(file.replace(/c$/, 'h')) || !beginsWithComment(file.replace(/c$/, 'h')))
  assert.deepEqual(bad, [], 'a newcomer reads the first line first; begin these with a comment')
})

test('no file is longer than 600 lines', () => {
  const bad = offenders(code, (content) => content.split('\n').length > 601)
  assert.deepEqual(bad, [], 'one subject a file: these have several')
})

test('no test is left out or runs alone', () => {
  const tests = code.filter((file) => /\.(spec|test)\.ts$/.test(file))
  const bad = offenders(tests, (content) =>
    /\b(test|it|describe)\.(only|skip|todo)\(|\b(only|todo): true\b/.test(content),
  )
  assert.deepEqual(bad, [], 'a test that is not run proves nothing; mend it or delete it')
})

test('nothing is marked as to be done', () => {
  const marks = new RegExp(
    `\\b(${['TO', 'FIX', 'XX'].map((half, n) => half + ['DO', 'ME', 'X'][n]).join('|')})\\b`,
  )
  const bad = offenders(code, (content) => marks.test(content))
  assert.deepEqual(bad, [], 'what is unfinished is an issue, not a comment')
})

test('tests do not sleep', () => {
  const tests = code.filter((file) => file.startsWith('test/'))
  const bad = offenders(tests, (content) => /timers\/promises|\bsetTimeout\(/.test(content))
  assert.deepEqual(bad, [], 'a test waits for a condition, with a deadline (src/lib/deadline.ts)')
})

test('nothing that is in the repository tells of the machine it was written on', () => {
  const own = new RegExp(['/wo', 'rk/|/ro', 'ot/\\.'].join(''))
  const bad = offenders(
    files.filter(
      (file) => extname(file) !== '' && file !== 'package-lock.json' && !file.includes('/corpus/'),
    ),
    (content) => own.test(content),
  )
  assert.deepEqual(bad, [], 'paths of one machine mean nothing on another')
})

test('decision records are numbered without gaps, and titled by their number', () => {
  const records = readdirSync(join(checkout, 'docs/decisions')).sort()
  records.forEach((name, index) => {
    const number = String(index + 1).padStart(3, '0')
    assert.match(name, new RegExp(`^${number}-[a-z0-9-]+\\.md$`), 'numbers are how records name one another')
    assert.match(text(join('docs/decisions', name)), new RegExp(`^# ${number}: \\S`))
  })
})

/** Folders of the tree under "How it is built": `    src/` and, deeper, `      api/   the front door`. */
function treeOf(readme: string): string[] {
  const [, section = ''] = /^## How it is built\n([\s\S]*?)(?=^## )/m.exec(readme) ?? []
  const parents: { indent: number; path: string }[] = []
  const found: string[] = []
  for (const line of section.split('\n')) {
    const match = /^( {4,})([\w.-]+(?:\/[\w.-]+)*\/)(?: |$)/.exec(line)
    if (!match) continue
    const indent = match[1]!.length
    while (parents.length > 0 && parents.at(-1)!.indent >= indent) parents.pop()
    const path = join(parents.at(-1)?.path ?? '', match[2]!)
    parents.push({ indent, path })
    found.push(path.replace(/\/$/, ''))
  }
  return found
}

test("the README's tree of folders is true", () => {
  const readme = text('README.md')
  assert.ok(
    !readme.includes('<!-- tree -->'),
    'README.md still has <!-- tree --> where its tree of folders belongs',
  )
  const tree = treeOf(readme)
  assert.ok(tree.length >= 5, 'README.md has no tree of folders under "How it is built"')
  // The outermost folder may be the repository itself, under its own name.
  const root =
    tree.every((path) => path.split('/')[0] === tree[0]) && !existsSync(join(checkout, tree[0]!))
      ? `${tree[0]}/`
      : ''
  const named = tree.map((path) => (path.startsWith(root) ? path.slice(root.length) : '')).filter(Boolean)
  const missing = named.filter(
    (path) => !existsSync(join(checkout, path)) || !statSync(join(checkout, path)).isDirectory(),
  )
  assert.deepEqual(missing, [], 'README.md names folders that are not there')
  const folders = readdirSync(join(checkout, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `src/${entry.name}`)
  assert.deepEqual(
    folders.filter((folder) => !named.includes(folder)),
    [],
    'README.md does not name these folders of src',
  )
})

test('every test that docs/security.md names is there', () => {
  const named = [
    ...text('docs/security.md').matchAll(/`((?:src|test)\/[\w/.-]+)`: \*(.+?)\*(?= \||$|;|\.|,)/gm),
  ]
  assert.ok(named.length >= 30, `only ${named.length} tests are named`)
  const plain = (words: string) => words.replaceAll(/['’\\]/g, '')
  const missing = named.filter(
    ([, file, title]) => !existsSync(join(checkout, file!)) || !plain(text(file!)).includes(plain(title!)),
  )
  assert.deepEqual(
    missing.map(([whole]) => whole),
    [],
    'a claim about security without its test is a hope',
  )
})
