/** JSON from outside, read by a schema, with one sentence when it does not fit. */
import type { z } from 'zod'
import { messageOf } from '../lib/errors.ts'

const sentenceCharactersMax = 300

/** `bad` makes the error of a sentence. */
export function readJson<T extends z.ZodType>(
  text: string,
  schema: T,
  bad: (why: string) => Error,
): z.output<T> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(`it is not JSON (${messageOf(error).slice(0, sentenceCharactersMax)})`)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''
  throw bad(`${where}${issue.message}`.slice(0, sentenceCharactersMax))
}
