// @ts-check
/** A reporter for node's test runner: counts, failures, skipped tests and time of each file, as one JSON document. */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

/**
 * @typedef {object} Report
 * @property {number} tests
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {{ name: string, file: string, why: string }[]} skips
 * @property {{ name: string, file: string }[]} failures
 * @property {{ file: string, seconds: number }[]} files
 */

/** @returns {Report} */
const empty = () => ({ tests: 0, passed: 0, failed: 0, skipped: 0, skips: [], failures: [], files: [] })

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  const result = empty()
  for await (const { type, data } of events) {
    const file = data?.file ? relative(process.cwd(), data.file) : ''
    if (type === 'test:summary') {
      if (file === '') {
        const { counts } = data
        Object.assign(result, { tests: counts.tests, passed: counts.passed, skipped: counts.skipped })
        result.failed = counts.tests - counts.passed - counts.skipped - counts.todo
      } else result.files.push({ file, seconds: data.duration_ms / 1000 })
    } else if (type === 'test:fail') {
      // The file itself fails with each of its tests: the tests tell more.
      if (data.details?.error?.failureType !== 'subtestsFailed')
        result.failures.push({ name: data.name, file })
    } else if (type === 'test:pass' && data.skip !== undefined) {
      result.skips.push({ name: data.name, file, why: typeof data.skip === 'string' ? data.skip : '' })
    }
  }
  yield JSON.stringify(result)
}

/** @param {string} path @returns {Report} nothing when the runner died before it could tell */
export function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return empty()
  }
}
