/** Kinds of failure → HTTP statuses: the only place that knows them. */
import { randomBytes } from 'node:crypto'
import { type ErrorKind, HummingbirdError, hasCode, internal, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'

export interface Failure {
  /** null: nobody is there to be answered. */
  readonly status: number | null
  readonly message: string
}

/** What a client is told. An error without a kind, or of a helper program, is our bug: logged with an id, and only the id is told. */
export function failureOf(error: unknown, log: Log): Failure {
  if (isAbort(error)) return { status: null, message: 'cancelled' }
  const fault = faultOfHost(error)
  if (fault) {
    log.error({ reason: messageOf(error) }, 'a request failed for want of something of the host')
    return fault
  }
  if (!(error instanceof HummingbirdError) || error.code === 'command_failed') return bug(error, log)
  if (error.kind === 'internal') log.error({ code: error.code, err: error }, 'a request failed')
  return { status: statusOf(error.kind), message: error.message }
}

/** Where a system call or a program of the host was refused what nobody may count on; other paths of the host are not told. */
function faultOfHost(error: unknown): Failure | null {
  if (hasCode(error, 'disk_full')) return { status: insufficientStorage, message: messageOf(error) }
  if (error instanceof HummingbirdError && error.code !== 'command_failed') return null
  const [, found] = faults.find(([pattern]) => pattern.test(`${codeOf(error)} ${messageOf(error)}`)) ?? []
  return found ?? null
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '')

/** As dockerd names them, of its system calls; it answers 500 to all. */
const insufficientStorage = 507
const faults: readonly (readonly [RegExp, Failure])[] = [
  [
    /^ENOSPC|^EDQUOT|No space left on device|Disk quota exceeded/i,
    {
      status: insufficientStorage,
      message: "no space left on device: make room in the daemon's state directory",
    },
  ],
  [
    /^EROFS|Read-only file system/i,
    { status: 503, message: "read-only file system: the daemon's state directory cannot be written" },
  ],
  [
    /^EMFILE|^ENFILE|Too many open files/i,
    {
      status: 503,
      message: 'too many open files: the daemon may have no more descriptors; raise its limit (LimitNOFILE)',
    },
  ],
  [
    /^ENOMEM|^EAGAIN|Cannot allocate memory|Resource temporarily unavailable/i,
    {
      status: 503,
      message: 'the host has no memory or no processes left for this; try again when something has ended',
    },
  ],
]

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
