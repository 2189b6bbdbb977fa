import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { askedPath, isWithin, linkedPath, rebased, relativePath } from './names.ts'

test('a path is read as Go reads it, and named in the tar as dockerd names it', () => {
  const cases: [given: string, path: string, entered: boolean, base: string][] = [
    ['/etc/passwd', '/etc/passwd', false, 'passwd'],
    ['etc/passwd', '/etc/passwd', false, 'passwd'],
    ['/etc/', '/etc', true, 'etc'],
    ['/etc/.', '/etc', true, '.'],
    ['/etc/./', '/etc', true, '.'],
    ['.', '/', true, '.'],
    ['/', '/', true, '/'],
    ['/a/../b', '/b', false, 'b'],
    ['/a/..', '/', false, '/'],
    ['../../x', '/x', false, 'x'],
    ['/dot.', '/dot.', false, 'dot.'],
  ]
  for (const [given, path, entered, base] of cases) {
    assert.deepEqual(askedPath(given), { given, path, entered, base }, given)
  }
})

test('a path that no process could use is refused', () => {
  for (const path of ['', 'a\0b', 'x'.repeat(5000)]) assert.throws(() => askedPath(path), { kind: 'invalid' })
})

test('a path is within a directory by whole parts', () => {
  for (const [inner, outer] of [
    ['/a/b', '/a'],
    ['/a', '/a'],
    ['/a', '/'],
    ['/', '/'],
  ] as const) {
    assert.ok(isWithin(inner, outer), `${inner} ${outer}`)
  }
  for (const [inner, outer] of [
    ['/ab', '/a'],
    ['/', '/a'],
  ] as const)
    assert.ok(!isWithin(inner, outer))
})

test('a tree is named after the last part of its path', () => {
  assert.deepEqual(['', 'a', 'a/b'].map(rebased('etc')), ['etc', 'etc/a', 'etc/a/b'])
  assert.deepEqual(['', 'a'].map(rebased('.')), ['.', './a'])
  assert.deepEqual(['', 'a'].map(rebased('/')), ['', '/a'])
})

test('names of a tar stay below the directory, or are refused in dockerd’s words', () => {
  assert.equal(relativePath('./a//b/./c/', '/tmp'), 'a/b/c')
  assert.equal(relativePath('/etc/x', '/tmp'), 'etc/x')
  assert.equal(relativePath('a/../b', '/tmp'), 'b')
  assert.equal(relativePath('./', '/tmp'), '')
  assert.throws(() => relativePath('../x', '/tmp'), { message: '"../x" is outside of "/tmp"' })
  assert.throws(() => relativePath('a/../../x', '/tmp'), { message: '"a/../../x" is outside of "/tmp"' })
  assert.throws(() => linkedPath('../../etc/shadow', '/tmp'), {
    message: 'invalid hardlink "/etc/shadow" -> "../../etc/shadow"',
  })
  assert.throws(() => relativePath('a\0b', '/tmp'), { kind: 'invalid' })
})

test('no name leads out', () => {
  const part = fc.constantFrom('..', '.', '', 'a', 'b')
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      let path: string
      try {
        path = relativePath(parts.join('/'), '/x')
      } catch {
        return true
      }
      return !path.startsWith('/') && !path.split('/').includes('..')
    }),
  )
})
