/** What a guest says when it cannot do what it was asked, as our own errors. */
import { constants } from 'node:os'
import type { StartFailure } from '../../engine/ports/sandbox.ts'
import { type HummingbirdError, internal, invalid } from '../../lib/errors.ts'
import type { FieldReader } from './fields.ts'
import { ops, tags } from './protocol.ts'

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))
const stages = ['user', 'cwd', 'exec', 'setup'] as const

export const errnoName = (status: number): string => names.get(status) ?? `errno ${status}`

/** Not more of a guest's words than a person would read. */
const messageCharsMax = 512

export const sandboxGone = (): HummingbirdError => internal('sandbox_gone', 'the sandbox has ended')
export const processExited = (id: number): HummingbirdError =>
  internal('process_exited', `process ${id} has exited`)

/** `start_failed` as the port says, `process_exited` where the guest knows no such process, else `guest_refused`. */
export function failureOf(
  op: number,
  processId: number,
  status: number,
  fields: FieldReader,
): HummingbirdError {
  const said = printable(fields.text(tags.message))
  const errno = errnoName(status)
  if (op === ops.startProcess) {
    const stage = stages.find((name) => name === fields.text(tags.stage)) ?? 'setup'
    const details: StartFailure = { stage, errno }
    return invalid('start_failed', said, { details })
  }
  const ofProcess = op === ops.signal || op === ops.resize || op === ops.forget
  if (ofProcess && errno === 'ESRCH') return processExited(processId)
  return internal('guest_refused', `the guest refused: ${said} (${errno})`, { details: { errno } })
}

/** A guest's words go into logs and terminals: no control characters. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.slice(0, messageCharsMax).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}
