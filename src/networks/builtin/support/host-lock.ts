/**
 * One test at a time that changes the host's own networking: they use the same addresses, and the first free ports of the
 * same range. The lock is an abstract socket, which the kernel gives back whatever becomes of its holder.
 */
import { createServer, type Server } from 'node:net'
import { until } from '../../../lib/deadline.ts'

const path = '\0hummingbird-lab'
/** The others need seconds each, on a busy machine several. */
const deadlineMs = 120_000

export async function holdHost(): Promise<() => Promise<void>> {
  const lock = await until('other tests of networks on this host', listening, { deadlineMs, everyMs: 20 })
  return () => new Promise((resolve) => lock.close(() => resolve()))
}

/** Rejects with EADDRINUSE while another has it. */
function listening(): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}
