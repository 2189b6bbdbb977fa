/** Connecting to a socket that a process which was just started will open. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { deadlineExceeded } from '../lib/errors.ts'

const notYet = new Set(['ENOENT', 'ECONNREFUSED', 'EAGAIN'])

export interface ConnectOptions {
  readonly deadlineMs: number
  /** Throws when waiting any longer makes no sense. */
  readonly check?: () => void
}

export async function connectSocket(path: string, { deadlineMs, check }: ConnectOptions): Promise<Socket> {
  const end = performance.now() + deadlineMs
  for (;;) {
    check?.()
    const socket = connect({ path, allowHalfOpen: false })
    try {
      await once(socket, 'connect')
      // One that fails closes, and that is what its owner listens for.
      socket.on('error', () => {})
      return socket
    } catch (error) {
      socket.destroy()
      const { code } = error as NodeJS.ErrnoException
      if (!notYet.has(code ?? '')) throw error
      if (performance.now() >= end) {
        throw deadlineExceeded('deadline', `nobody listened on ${path} within ${deadlineMs} ms`)
      }
    }
    await sleep(1)
  }
}
