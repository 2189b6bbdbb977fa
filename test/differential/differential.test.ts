/**
 * The same requests to a real dockerd (Debian's 20.10) and to Hummingbird: status, Content-Type, message and shape of
 * every answer are the same, or the difference is listed with its reason in src/api/support/differences.json, of which a
 * section of docs/docker-api.md is made. A listed difference that is none any more fails too.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { differencesByCase, listedDifferences } from '../../src/api/support/differences.ts'
import { Dockerd } from '../support/dockerd.ts'
import { allCases } from './cases/index.ts'
import { requestsOf, runCases } from './run.ts'

const listed = differencesByCase(listedDifferences())
const cases = allCases.flatMap(([, cases]) => cases)

test('what it is compared with is dockerd 20.10', () => {
  assert.match(
    Dockerd.version(),
    /^20\.10\./,
    'the table is of what this version answers: install docker.io of Debian 12',
  )
})

test('there are at least 200 requests, and no two cases have one title', () => {
  assert.ok(requestsOf(cases) >= 200)
  const titles = cases.map(({ title }) => title)
  assert.deepEqual(
    titles.filter((title, at) => titles.indexOf(title) !== at),
    [],
  )
})

test('every listed difference is of a case', () => {
  const titles = new Set(cases.map(({ title }) => title))
  assert.deepEqual(
    [...listed.keys()].filter((title) => !titles.has(title)),
    [],
  )
})

const outcomes = new Map((await runCases()).map((outcome) => [outcome.title, outcome]))

for (const [noun, cases] of allCases) {
  describe(noun, () => {
    for (const { title } of cases) {
      test(title, () => {
        const { differences, failure } = outcomes.get(title)!
        if (failure) throw failure
        assert.deepEqual(differences, listed.get(title) ?? [])
      })
    }
  })
}
