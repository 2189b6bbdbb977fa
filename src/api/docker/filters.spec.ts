import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cpuMs } from '../../lib/support/cpu-ms.ts'
import { Filters } from './filters.ts'
import { matchesSomewhere } from './linear-regexp.ts'

const filters = (value: unknown, accepted = ['label', 'name', 'dangling']) =>
  new Filters(typeof value === 'string' ? value : JSON.stringify(value), accepted)

test('filters are read in both forms of Docker', () => {
  for (const value of [{ label: ['a=b', 'c'] }, { label: { 'a=b': true, c: true, d: false } }]) {
    assert.deepEqual(filters(value).get('label'), ['a=b', 'c'])
  }
  for (const none of ['', '{}', 'null']) assert.equal(filters(none).has('label'), false)
})

test('filters that are unknown or malformed are refused in the words of dockerd', () => {
  assert.throws(() => filters({ x: ['y'] }), { kind: 'invalid', message: "invalid filter 'x'" })
  for (const bad of ['{', '[]', '5', '{"label":"a"}', '{"label":{"a":"b"}}']) {
    assert.throws(() => filters(bad), { kind: 'invalid', message: 'invalid filter' })
  }
  assert.throws(() => filters({ dangling: ['maybe'] }).boolean('dangling'), {
    message: "invalid filter 'dangling=[maybe]'",
  })
  assert.throws(() => filters({ name: Array(300).fill('x') }), { kind: 'invalid' })
})

test('labels must all be there, other values are alternatives', () => {
  const labels = { a: 'b', c: '', __proto__x: '1' }
  assert.equal(filters({ label: ['a=b', 'c'] }).allowsLabels(labels), true)
  assert.equal(filters({ label: ['a=b', 'd'] }).allowsLabels(labels), false)
  assert.equal(filters({ label: ['toString'] }).allowsLabels(labels), false)
  assert.equal(filters({ name: ['x', 'y'] }).allows('name', 'y'), true)
  assert.equal(filters({}).allows('name', 'y'), true)
  assert.equal(filters({ name: [] }).allows('name', 'y'), false)
})

test('patterns match as regular expressions do', () => {
  const pieces = fc.constantFrom(
    'a',
    'b',
    '.',
    'a*',
    'b+',
    '(ab)?',
    '(a|b)',
    '[ab]',
    '[^a]',
    '^',
    '$',
    '|',
    '\\d',
    '(a*)*',
  )
  const pattern = fc.array(pieces, { maxLength: 8 }).map((list) => list.join(''))
  const text = fc.array(fc.constantFrom('a', 'b', 'c', '1'), { maxLength: 8 }).map((list) => list.join(''))
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      assert.equal(
        matchesSomewhere(source, subject),
        new RegExp(source).test(subject),
        `/${source}/ on "${subject}"`,
      )
    }),
    { numRuns: 2000 },
  )
})

test('patterns that are none match nothing and never throw', () => {
  for (const bad of ['(', ')', '[', 'a{2}', '*', '(?=a)', '\\q', 'x'.repeat(1000), '[b']) {
    assert.equal(matchesSomewhere(bad, 'aab'), false, bad)
  }
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      (pattern, text) => typeof matchesSomewhere(pattern, text) === 'boolean',
    ),
  )
})

test('a pattern made to stop the daemon costs next to nothing', () => {
  const evil = ['(a+)+$', '(a|a)*b', '((((a+)+)+)+)+b', '(a?){50}'.repeat(3), `${'(a*)*'.repeat(100)}b`]
  const cost = cpuMs(() => {
    for (const pattern of evil) matchesSomewhere(pattern, 'a'.repeat(255))
  })
  assert.ok(cost < 1_000, `${cost} ms`)
})
