/**
 * `node test/differential/list.ts [--write] [PATTERN]`: asks both daemons and prints the differences that no reason in
 * src/api/support/differences.json explains. `--write` sorts all others into it anew.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { differencesPath, listedDifferences } from '../../src/api/support/differences.ts'
import { runCases } from './run.ts'

const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true })
const pattern = new RegExp(positionals[0] ?? '')
const outcomes = await runCases(({ title }) => pattern.test(title))
const reasons = listedDifferences().map((reason) => ({
  ...reason,
  cases: {} as Record<string, string[]>,
  patterns: reason.like.map((text) => new RegExp(text, 's')),
}))
let unexplained = 0
for (const { title, differences, failure } of outcomes) {
  if (failure) console.log(`FAILED ${title}\n    ${failure.message}`)
  for (const line of differences) {
    const reason = reasons.find(({ patterns }) => patterns.some((like) => like.test(`${title}: ${line}`)))
    if (reason) {
      reason.cases[title] = [...(reason.cases[title] ?? []), line]
    } else {
      console.log(`${title}\n    ${line}`)
      unexplained++
    }
  }
}
console.log(`${outcomes.length} cases, ${unexplained} unexplained differences`)
if (values.write && positionals.length === 0) {
  const listed = reasons.map(({ why, like, cases }) => ({ why, like, cases }))
  writeFileSync(differencesPath, `${JSON.stringify(listed, null, 2)}\n`)
}
