/**
 * In what Hummingbird answers otherwise than dockerd 20.10, and why: differences.json, by reason. test/differential holds
 * it to be exact; `node test/differential/list.ts` writes its cases anew.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

export const differencesPath = fileURLToPath(new URL('differences.json', import.meta.url))

const schema = z.array(
  z.strictObject({
    why: z.string(),
    /** Regular expressions: a new difference is of the first reason that has one for `case: difference`. */
    like: z.array(z.string()),
    /** The differences of each case, exactly. */
    cases: z.record(z.string(), z.array(z.string())),
  }),
)
export type Reason = z.output<typeof schema>[number]

export function listedDifferences(): Reason[] {
  return schema.parse(JSON.parse(readFileSync(differencesPath, 'utf8')))
}

/** Of all reasons together, by case, in order. */
export function differencesByCase(reasons: readonly Reason[]): Map<string, string[]> {
  const all = new Map<string, string[]>()
  for (const { cases } of reasons) {
    for (const [title, lines] of Object.entries(cases)) {
      all.set(title, [...(all.get(title) ?? []), ...lines].sort())
    }
  }
  return all
}
