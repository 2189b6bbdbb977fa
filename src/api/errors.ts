/** Kinds of failure → HTTP statuses: the only place that knows them. */
import { randomBytes } from 'node:crypto'
import { type ErrorKind, HummingbirdError, internal, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'

export interface Failure {
  /** null: nobody is there to be answered. */
  readonly status: number | null
  readonly message: string
}

/** What a client is told. An error without a kind, or of a helper program, is our bug: logged with an id, and only the id is told. */
export function failureOf(error: unknown, log: Log): Failure {
  if (isAbort(error)) return { status: null, message: 'cancelled' }
  if (!(error instanceof HummingbirdError) || error.code === 'command_failed') return bug(error, log)
  if (error.kind === 'internal') log.error({ code: error.code, err: error }, 'a request failed')
  return { status: statusOf(error.kind), message: error.message }
}

function statusOf(kind: ErrorKind): number | null {
  switch (kind) {
    case 'not_modified':
      return 304
    case 'invalid':
      return 400
    case 'unauthorized':
      return 401
    case 'forbidden':
      return 403
    case 'not_found':
      return 404
    case 'conflict':
      return 409
    case 'exhausted':
      return 429
    case 'internal':
      return 500
    case 'not_implemented':
      return 501
    case 'unavailable':
      return 503
    case 'deadline':
      return 504
    case 'cancelled':
      return null
    default:
      return kind satisfies never
  }
}

function bug(error: unknown, log: Log): Failure {
  const id = randomBytes(6).toString('hex')
  log.error({ id, err: error, reason: messageOf(error) }, 'a request failed by a fault of ours')
  return internalFailure(id)
}

function internalFailure(id: string): Failure {
  const told = internal('fault', `internal error ${id}: the daemon's log has it under this id`)
  return { status: statusOf(told.kind), message: told.message }
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
