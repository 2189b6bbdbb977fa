/**
 * The kinds of failure every layer speaks of. A kind says what the caller may do about it; only the front
 * doors turn kinds into statuses (api/errors.ts). An Error without a kind is a bug of ours.
 */
export type ErrorKind =
  | 'invalid' // the request can never succeed as it is
  | 'unauthorized' // who asks is not known
  | 'forbidden' // who asks may not, or the service refuses such a thing on principle
  | 'not_found'
  | 'conflict' // the object is in a state that does not allow it
  | 'not_modified' // nothing to do: it is so already
  | 'exhausted' // a limit of the host or of a quota
  | 'unavailable' // something this depends on does not answer; may be tried again
  | 'not_implemented'
  | 'deadline' // it took longer than it may
  | 'cancelled' // the caller went away
  | 'internal' // ours

/** `code` is stable and for programs; `message` is one sentence: what, to which object, and what to do. */
export class HummingbirdError extends Error {
  readonly kind: ErrorKind
  readonly code: string
  /** For programs: what a catcher needs beyond the code, as the thrower's documentation says. */
  readonly details: unknown

  constructor(kind: ErrorKind, code: string, message: string, options?: ErrorExtras) {
    super(message, options)
    this.name = 'HummingbirdError'
    this.kind = kind
    this.code = code
    this.details = options?.details
  }
}

interface ErrorExtras {
  cause?: unknown
  details?: unknown
}

type Make = (code: string, message: string, options?: ErrorExtras) => HummingbirdError
const maker =
  (kind: ErrorKind): Make =>
  (code, message, options) =>
    new HummingbirdError(kind, code, message, options)

export const invalid = maker('invalid')
export const unauthorized = maker('unauthorized')
export const forbidden = maker('forbidden')
export const notFound = maker('not_found')
export const conflict = maker('conflict')
export const notModified = maker('not_modified')
export const exhausted = maker('exhausted')
export const unavailable = maker('unavailable')
export const notImplemented = maker('not_implemented')
export const deadlineExceeded = maker('deadline')
export const cancelled = maker('cancelled')
export const internal = maker('internal')

export function kindOf(error: unknown): ErrorKind | undefined {
  return error instanceof HummingbirdError ? error.kind : undefined
}

/** The same failure with words before its message, when it is of one of the kinds; any other as it is. */
export function prefixed(words: string, error: unknown, kinds: readonly ErrorKind[]): unknown {
  if (!(error instanceof HummingbirdError) || !kinds.includes(error.kind)) return error
  const { kind, code, details } = error
  return new HummingbirdError(kind, code, `${words}: ${error.message}`, { cause: error, details })
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === code
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
