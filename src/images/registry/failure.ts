/** What a registry says when it refuses, as dockerd tells it: `denied: requested access to the resource is denied`. */
import { z } from 'zod'
import { type ErrorKind, HummingbirdError } from '../../lib/errors.ts'
import { registryAnswerBytesMax } from '../limits.ts'
import { type Answer, readBody } from './transport.ts'

const schema = z.looseObject({
  errors: z
    .array(z.looseObject({ code: z.string().default('UNKNOWN'), message: z.string().default('') }))
    .optional(),
  details: z.string().optional(),
})

/** Said by a stranger: enough for a sentence. */
const messageCharactersMax = 500

export interface FailureDetails {
  readonly status: number
  /** `MANIFEST_UNKNOWN`, `DENIED`, …; '' when none was given. */
  readonly registryCode: string
}

/** Details: FailureDetails. */
export async function readFailure(answer: Answer, fallback?: string): Promise<HummingbirdError> {
  const body = await readBody(answer, registryAnswerBytesMax).catch(() => Buffer.alloc(0))
  let parsed: z.output<typeof schema> = {}
  try {
    parsed = schema.parse(JSON.parse(body.toString('utf8')))
  } catch {
    // Not every refusal is JSON; the status tells enough.
  }
  const first = parsed.errors?.[0]
  const { status } = answer
  const registryCode = first?.code ?? ''
  const said = first
    ? `${first.code.toLowerCase().replaceAll('_', ' ')}: ${first.message || first.code}`
    : (parsed.details ?? fallback)
  const message = said ?? `received unexpected HTTP status: ${status}`
  const details: FailureDetails = { status, registryCode }
  return new HummingbirdError(kindOfStatus(status), 'registry_refused', clean(message), { details })
}

/** Control characters would reach a terminal. */
const clean = (text: string) => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, messageCharactersMax)

function kindOfStatus(status: number): ErrorKind {
  if (status === 401) return 'unauthorized'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  // Asking again at once is what the limit is against.
  if (status === 429) return 'exhausted'
  return status >= 500 ? 'unavailable' : 'invalid'
}
