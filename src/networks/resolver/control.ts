/**
 * What the daemon tells the resolver, over a Unix socket, one JSON object a line. Everything is answered by its number when it holds.
 * The first thing after connecting is all there is; changes follow.
 */
import type { Socket } from 'node:net'
import type { Endpoint, NamedNetwork } from './directory.ts'

/** Of another version there is nothing to be adopted: it is told to go. */
export const resolverVersion = 1

export type Instruction =
  | {
      readonly is: 'state'
      readonly networks: readonly NamedNetwork[]
      readonly endpoints: readonly Endpoint[]
      /** Whom the host asks. */
      readonly servers: readonly string[]
    }
  | { readonly is: 'network'; readonly network: NamedNetwork }
  | { readonly is: 'no-network'; readonly id: string }
  | { readonly is: 'endpoint'; readonly endpoint: Endpoint }
  | { readonly is: 'no-endpoint'; readonly id: string }
  | { readonly is: 'servers'; readonly servers: readonly string[] }
  | { readonly is: 'quit' }

export type Numbered = Instruction & { readonly number: number }

/** The greeting has the version, everything after it a number. */
export interface Reply {
  readonly version?: number
  readonly number?: number
  /** Why it could not be done. */
  readonly error?: string
}

/** Every whole line that comes, in order. */
export function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) take(line)
  })
}
