import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasWildcards, isIgnored, matcher } from './glob.ts'

test("patterns match as Go's filepath.Match", () => {
  const cases: [pattern: string, name: string, expected: boolean][] = [
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*c', 'abc', true],
    ['a*', 'a', true],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzy', false],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[e-g]', 'abc', false],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a?b', 'axb', true],
    ['[\\]a]', ']', true],
    ['[\\-x]', '-', true],
    ['[x-]', 'x', false],
    ['[-x]', 'x', false],
    ['[]a]', 'a', false],
    ['[', 'a', false],
    ['[^', 'a', false],
    ['[a', 'a', false],
    ['a\\', 'a', false],
    ['*x', 'xxx', true],
    ['.*', '.git', true],
    ['*', '.git', true],
    ['', '', true],
  ]
  for (const [pattern, name, expected] of cases)
    assert.equal(matcher(pattern)(name), expected, `${pattern} ${name}`)
  assert.deepEqual(['a', 'a*', '[a]', 'a\\*', 'a?'].map(hasWildcards), [false, true, true, false, true])
})

test('a pattern without wildcards matches itself alone, and no pattern takes long', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      if (!/[*?[\\]/.test(a)) assert.equal(matcher(a)(b), a === b)
      matcher(a)(b)
    }),
  )
  assert.equal(matcher('*a'.repeat(200))(`${'a'.repeat(5_000)}b`), false)
})

test('the last pattern of .dockerignore that fits decides', () => {
  const cases: [patterns: string, expected: boolean][] = [
    ['Dockerfile', true],
    ['/Dockerfile\n', true],
    ['*', true],
    ['**', true],
    ['**/Dockerfile', true],
    ['*\n!Dockerfile', false],
    ['# Dockerfile\n\nother', false],
    ['Docker*\n!other', true],
  ]
  for (const [patterns, expected] of cases)
    assert.equal(isIgnored(patterns, 'Dockerfile'), expected, patterns)
})
