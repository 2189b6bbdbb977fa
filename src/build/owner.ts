/** `--chown=USER[:GROUP]` and `--chmod`: names are looked up in the image's own files, as its programs would. */
import { invalid } from '../lib/errors.ts'
import { userFileBytesMax } from './limits.ts'
import { type FileTree, resolve } from './tree.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

const idMax = 0xffff_fffe
const bad = (message: string) => invalid('bad_owner', message)

/** Rejects with kind `invalid` in dockerd's words. Without a group, the group is called as the user. */
export async function ownerOf(tree: FileTree, chown: string): Promise<Owner> {
  const parts = chown.split(':')
  const [user, group = user] = parts
  if (parts.length > 2 || !user || !group) throw bad(`invalid chown string format: ${chown}`)
  const uid = numeric(user) ?? (await lookUp(tree, '/etc/passwd', user))
  if (uid === null)
    throw bad(
      `unable to convert uid/gid chown string to host mapping: can't find uid for user ${user}: no such user: ${user}`,
    )
  const gid = numeric(group) ?? (await lookUp(tree, '/etc/group', group))
  if (gid === null)
    throw bad(
      `unable to convert uid/gid chown string to host mapping: can't find gid for group ${group}: no such group: ${group}`,
    )
  return { uid, gid }
}

export function modeOf(chmod: string): number {
  if (!/^[0-7]{1,5}$/.test(chmod) || Number.parseInt(chmod, 8) > 0o7777) {
    throw bad(`invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`)
  }
  return Number.parseInt(chmod, 8)
}

function numeric(text: string): number | null {
  if (!/^\d{1,10}$/.test(text)) return null
  const id = Number(text)
  if (id > idMax) throw bad(`the id ${text} is out of range`)
  return id
}

/** `name:password:id:…` */
async function lookUp(tree: FileTree, path: string, name: string): Promise<number | null> {
  const { node } = resolve(tree, path, { follow: true })
  if (node?.kind !== 'file') return null
  if (node.size > userFileBytesMax) throw bad(`${path} of the image has more than ${userFileBytesMax} bytes`)
  const text = Buffer.concat(await Array.fromAsync(tree.content(node))).toString()
  for (const line of text.split('\n')) {
    const [entry, , id] = line.split(':')
    if (entry === name && id !== undefined) return numeric(id)
  }
  return null
}
