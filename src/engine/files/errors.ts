/** What a guest says of files, in the words by which dockerd's clients know them. */
import { conflict, exhausted, HummingbirdError, hasCode, invalid, notFound } from '../../lib/errors.ts'

export function errnoOf(error: unknown): string {
  return error instanceof HummingbirdError
    ? String((error.details as { errno?: unknown } | undefined)?.errno)
    : ''
}

const words: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'file exists',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
}

interface Where {
  readonly path: string
  /** What the client called the container. */
  readonly ref: string
}

/** What is no file's fault is handed on. */
export function fileFailure(error: unknown, { path, ref }: Where): unknown {
  if (hasCode(error, 'sandbox_gone')) {
    const message = `the files of container ${ref} cannot be reached any longer: it was ended or removed meanwhile`
    return conflict('ended_meanwhile', message, { cause: error })
  }
  if (!(error instanceof HummingbirdError) || !hasCode(error, 'file_error')) return error
  const errno = errnoOf(error)
  const because = { cause: error }
  if (errno === 'ENOENT') {
    return notFound('no_such_file', `Could not find the file ${path} in container ${ref}`, because)
  }
  return invalid('file_error', `${path}: ${words[errno] ?? error.message}`, because)
}

/** Of a tree that is put into a directory which is there: the guest says which of its files could not be made. */
export function writeFailure(error: unknown, where: Where & { readonly isVolume: boolean }): unknown {
  const errno = hasCode(error, 'file_error') ? errnoOf(error) : ''
  if (errno === '') return fileFailure(error, where)
  const { message } = error as Error
  const because = { cause: error }
  if (errno === 'EROFS') {
    const what = where.isVolume ? 'mounted volume' : 'container rootfs'
    return invalid('read_only', `${what} is marked read-only`, because)
  }
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return exhausted('disk_full', message, because)
  return invalid('file_error', message, because)
}

/** What is read, its failures as `fileFailure` has them. */
export async function* explained<T>(content: AsyncIterable<T>, where: Where): AsyncGenerator<T> {
  try {
    yield* content
  } catch (error) {
    throw fileFailure(error, where)
  }
}
