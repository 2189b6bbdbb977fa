/**
 * Files that belong to root, and to a sandbox's user only while its QEMU opens them: an open file needs no permission any more.
 * So nobody but the sandbox that has a volume can get at it, several may have one read-only, and there is nothing to
 * give back when a sandbox ends, whenever that is and whether a daemon sees it or not.
 */
import { chmod, chown } from 'node:fs/promises'
import { SerialQueue } from '../lib/queue.ts'

interface Borrower {
  readonly uid: number
  readonly readOnly: boolean
}

/** A file has one owner at a time. */
const queues = new Map<string, SerialQueue>()

export async function lend<T>(path: string, to: Borrower, open: () => Promise<T>): Promise<T> {
  const queue = queues.get(path) ?? new SerialQueue()
  queues.set(path, queue)
  try {
    return await queue.run(() => opened(path, to, open))
  } finally {
    if (queue.size === 0) queues.delete(path)
  }
}

async function opened<T>(path: string, { uid, readOnly }: Borrower, open: () => Promise<T>): Promise<T> {
  await chmod(path, readOnly ? 0o400 : 0o600)
  await chown(path, uid, uid)
  try {
    return await open()
  } finally {
    await chown(path, 0, 0)
    await chmod(path, 0o600)
  }
}
