/** Who a container's user is, by the names that its own files give: for files that are to become this user's. */
import { HummingbirdError, hasCode, invalid } from '../../lib/errors.ts'
import { MiB } from '../../lib/units.ts'
import type { SandboxFiles } from '../ports/files.ts'
import type { StoredContainer } from '../ports/store.ts'

/** Of such a file no more is looked at. */
const fileBytesMax = 1 * MiB
const idMax = 0xffffffff

export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** null: the container names no user, and files stay whose they are in the archive. */
export async function ownerOf(files: SandboxFiles, { id, spec }: StoredContainer): Promise<Identity | null> {
  if (spec.user === '') return null
  const [passwd, group] = [await textOf(files, id, '/etc/passwd'), await textOf(files, id, '/etc/group')]
  return identityOf(spec.user, passwd, group)
}

/** `user[:group]`, each by name or number. A number that no line has is taken as it is, with the group 0. */
export function identityOf(user: string, passwd: string, group: string): Identity {
  const [name = '', groupName = ''] = user.split(':', 2)
  const line = rows(passwd).find(([entry, , uid]) =>
    isId(name) ? Number(uid) === Number(name) : entry === name,
  )
  if (!line && name !== '' && !isId(name)) {
    throw invalid(
      'no_such_user',
      `failed to look up user ${JSON.stringify(name)} in container: no matching entries in passwd file`,
    )
  }
  const uid = name === '' ? 0 : isId(name) ? Number(name) : idIn(line!, 2)
  const own = line && name !== '' ? idIn(line, 3) : 0
  return { uid, gid: groupName === '' ? own : gidOf(groupName, group) }
}

function gidOf(name: string, group: string): number {
  if (isId(name)) return Number(name)
  const line = rows(group).find(([entry]) => entry === name)
  if (line) return idIn(line, 2)
  throw invalid(
    'no_such_group',
    `failed to look up group ${JSON.stringify(name)} in container: no matching entries in group file`,
  )
}

const rows = (text: string): string[][] => text.split('\n').map((line) => line.split(':'))
const isId = (text: string | undefined): boolean => /^\d{1,10}$/.test(text ?? '') && Number(text) <= idMax
const idIn = (line: readonly string[], at: number): number => (isId(line[at]) ? Number(line[at]) : 0)

async function textOf(files: SandboxFiles, container: string, path: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const { content } of files.read(container, path)) {
      for await (const chunk of content ?? []) {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > fileBytesMax) return Buffer.concat(chunks).toString('latin1')
      }
    }
  } catch (error) {
    // There is none: an image without names has numbers.
    if (!(error instanceof HummingbirdError) || !hasCode(error, 'file_error')) throw error
  }
  return Buffer.concat(chunks).toString('latin1')
}
