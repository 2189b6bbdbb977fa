/** Why a process could not be started, in the words by which Docker's clients know an exit code: 126, 127. */
import { HummingbirdError, hasCode, invalid } from '../lib/errors.ts'
import type { StartFailure } from './ports/sandbox.ts'

export interface Refusal {
  readonly error: HummingbirdError
  readonly exitCode: number
}

/** undefined: it was not the process's fault. */
export function refusalOf(
  error: unknown,
  what: 'container' | 'exec',
  process: { readonly program: string; readonly cwd: string; readonly user: string },
): Refusal | undefined {
  if (!(error instanceof HummingbirdError) || !hasCode(error, 'start_failed')) return undefined
  const prefix =
    what === 'container'
      ? 'failed to create task for container: unable to start container process'
      : 'OCI runtime exec failed: exec failed: unable to start container process'
  const { stage } = error.details as StartFailure
  // Docker's daemon looks users up before there is a task.
  if (stage === 'user' && what === 'container') {
    return { exitCode: 128, error: invalid('start_failed', noUser(process.user), { cause: error }) }
  }
  const { reason, exitCode } = reasonOf(error, process)
  const code = exitCode === 127 ? 'not_found_in_image' : exitCode === 126 ? 'not_executable' : 'start_failed'
  return { exitCode, error: invalid(code, `${prefix}: ${reason}: unknown`, { cause: error }) }
}

const words: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
  ENOEXEC: 'exec format error',
  ELOOP: 'too many levels of symbolic links',
  E2BIG: 'argument list too long',
  ENOMEM: 'cannot allocate memory',
}

/** The guest tells that one of the two is not there, not which; numbers need not be there. */
function noUser(text: string): string {
  const [user = '', group = ''] = text.split(':')
  const isNamed = (name: string) => name !== '' && !/^\d+$/.test(name)
  if (!isNamed(group)) return `unable to find user ${user}: no matching entries in passwd file`
  if (!isNamed(user)) return `unable to find group ${group}: no matching entries in group file`
  return `unable to find user ${user} or group ${group}: no matching entries in passwd or group file`
}

function reasonOf(
  error: HummingbirdError,
  { program, cwd, user }: { program: string; cwd: string; user: string },
): { reason: string; exitCode: number } {
  const { stage, errno } = error.details as StartFailure
  const why = words[errno] ?? errno
  switch (stage) {
    case 'user':
      return { reason: noUser(user), exitCode: 126 }
    case 'cwd':
      return { reason: `chdir to cwd ("${cwd}") set in config.json failed: ${why}`, exitCode: 126 }
    case 'exec':
      if (errno !== 'ENOENT') return { reason: `exec: "${program}": ${why}`, exitCode: 126 }
      if (program.includes('/'))
        return { reason: `exec: "${program}": stat ${program}: ${why}`, exitCode: 127 }
      return { reason: `exec: "${program}": executable file not found in $PATH`, exitCode: 127 }
    case 'setup':
      return { reason: error.message, exitCode: 128 }
  }
}
