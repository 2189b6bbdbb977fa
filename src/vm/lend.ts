/**
 * Files that are lent to a sandbox while its QEMU opens them: an open file needs neither name nor permission any more. For that
 * moment the file has a second name in the sandbox's own directory, which is all that its QEMU sees of the host's disks, and
 * belongs to the sandbox's user. So nobody but the sandbox that has a volume can get at it, several may have one
 * read-only, and there is nothing to give back when a sandbox ends, whenever that is and whether a daemon sees it or not.
 */
import { randomBytes } from 'node:crypto'
import { chmod, chown, link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, invalid } from '../lib/errors.ts'
import { SerialQueue } from '../lib/queue.ts'

export interface Borrower {
  /** Of its disks: see directories.ts. */
  readonly directory: string
  readonly uid: number
}

/** `name`: what it is called in the borrower's directory. */
type Open<T> = (name: string) => Promise<T>

/** A file has one owner at a time. */
const queues = new Map<string, SerialQueue>()

export async function lend<T>(
  path: string,
  to: Borrower & { readonly readOnly: boolean },
  open: Open<T>,
): Promise<T> {
  const queue = queues.get(path) ?? new SerialQueue()
  queues.set(path, queue)
  try {
    return await queue.run(() => owned(path, to, () => named(path, to, open)))
  } finally {
    if (queue.size === 0) queues.delete(path)
  }
}

/** A file that everybody may read who can get at it, as block images are. */
export function lendReadable<T>(path: string, to: Borrower, open: Open<T>): Promise<T> {
  return named(path, to, open)
}

async function owned<T>(
  path: string,
  { uid, readOnly }: { readonly uid: number; readonly readOnly: boolean },
  open: () => Promise<T>,
): Promise<T> {
  await chmod(path, readOnly ? 0o400 : 0o600)
  await chown(path, uid, uid)
  try {
    return await open()
  } finally {
    await chown(path, 0, 0)
    await chmod(path, 0o600)
  }
}

async function named<T>(path: string, { directory }: Borrower, open: Open<T>): Promise<T> {
  const name = `lent-${randomBytes(6).toString('hex')}`
  const second = join(directory, name)
  try {
    await link(path, second)
  } catch (error) {
    if (!hasCode(error, 'EXDEV')) throw error
    const why = `${path} and ${directory} have to be on the same file system`
    throw invalid('other_file_system', `a sandbox cannot be given ${path}: ${why}`, { cause: error })
  }
  try {
    return await open(name)
  } finally {
    await rm(second, { force: true })
  }
}
