/** What a guest says of files, in the words by which dockerd's clients know them. */
import { exhausted, HummingbirdError, hasCode, invalid, notFound } from '../../lib/errors.ts'

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

/** `ref`: what the client called the container. What is no file's fault is handed on. */
export function fileFailure(error: unknown, { path, ref }: { path: string; ref: string }): unknown {
  if (!(error instanceof HummingbirdError) || !hasCode(error, 'file_error')) return error
  const errno = errnoOf(error)
  const because = { cause: error }
  switch (errno) {
    case 'ENOENT':
      return notFound('no_such_file', `Could not find the file ${path} in container ${ref}`, because)
    case 'EROFS':
      return invalid('read_only', 'container rootfs is marked read-only', because)
    case 'ENOSPC':
    case 'EDQUOT':
      return exhausted('disk_full', `${path}: no space left on device`, because)
    default:
      return invalid('file_error', `${path}: ${words[errno] ?? error.message}`, because)
  }
}
