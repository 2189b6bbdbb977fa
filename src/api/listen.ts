/** Where the front door listens: a Unix socket with a mode and a group, or an address and port. */
import { chmodSync, chownSync, existsSync, lstatSync, readFileSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { conflict, hasCode, invalid, messageOf, unavailable } from '../lib/errors.ts'

export type ListenAddress =
  | {
      readonly unix: string
      /** Permissions of the socket; who may write to it may do everything. */
      readonly mode?: number
      /** Name or number. */
      readonly group?: string | number
    }
  | {
      readonly host: string
      readonly port: number
      readonly tls?: TlsMaterial
    }

/** In PEM. With `ca`, a client is served only if it shows a certificate that this authority has signed. */
export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  readonly ca: string | null
}

/** Rejects with kind `conflict` when another process listens there. */
export async function listenOn(server: Server, address: ListenAddress): Promise<void> {
  if (!('unix' in address))
    return bind(server, { host: address.host, port: address.port }, `${address.host}:${address.port}`)
  const { unix, mode = 0o660, group } = address
  const gid = group === undefined ? null : groupId(group)
  await removeStale(unix)
  // Nobody may connect between the making of the socket and its mode.
  const umask = process.umask(0o177)
  let bound: Promise<void>
  try {
    bound = bind(server, { path: unix }, unix)
  } finally {
    process.umask(umask)
  }
  await bound
  if (gid !== null) chownSync(unix, process.getuid!(), gid)
  chmodSync(unix, mode)
}

function bind(
  server: Server,
  where: { path: string } | { host: string; port: number },
  name: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) =>
      reject(
        hasCode(error, 'EADDRINUSE')
          ? conflict('address_in_use', `${name} is in use by another process`, { cause: error })
          : unavailable('cannot_listen', `cannot listen on ${name}: ${messageOf(error)}`, { cause: error }),
      )
    server.once('error', onError)
    server.listen(where, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

/** A daemon that was killed leaves its socket; one that lives answers on it. */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) return
  if (!lstatSync(path).isSocket())
    throw conflict('not_a_socket', `${path} is there already and is not a socket`)
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    const settle = (answer: boolean) => {
      probe.destroy()
      resolve(answer)
    }
    probe.once('connect', () => settle(true))
    probe.once('error', () => settle(false))
  })
  if (alive) throw conflict('address_in_use', `${path} is in use by another process`)
  unlinkSync(path)
}

function groupId(group: string | number): number {
  if (typeof group === 'number') return group
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , gid] = line.split(':')
    if (name === group) return Number(gid)
  }
  throw invalid('no_such_group', `there is no group "${group}" in /etc/group`)
}
