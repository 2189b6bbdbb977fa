/** What a query is answered with out of the directory, or that it has to be asked elsewhere. */
import { contains, parseAddress, parseSubnet } from '../ipv4.ts'
import type { Asker, Directory } from './directory.ts'
import { type Answer, encodeName, type Query, rcodes, types } from './message.ts'

export type Verdict =
  | { readonly is: 'answer'; readonly rcode: number; readonly answers: readonly Answer[] }
  | { readonly is: 'forward' }

const nothing = (rcode: number): Verdict => ({ is: 'answer', rcode, answers: [] })
const forward: Verdict = { is: 'forward' }

/** `turn`: grows with each query, so that who is called alike takes turns at being first. */
export function decide(directory: Directory, asker: Asker, query: Query, turn: number): Verdict {
  if (!query.isInternet) return nothing(rcodes.notImplemented)
  const address = reverseAddress(query.name)
  if (address !== undefined) return reverse(directory, asker, query, address)
  const found = directory.addresses(asker, query.name)
  if (!found) return forward
  // The name is there, and has no records of other types.
  if (query.type !== types.A && query.type !== types.ANY) return nothing(rcodes.ok)
  const answers = found.map((_, n) => {
    const text = found[(n + turn) % found.length]!
    return { type: types.A, data: Buffer.from(text.split('.').map(Number)) }
  })
  return { is: 'answer', rcode: rcodes.ok, answers }
}

/** Of `4.3.2.1.in-addr.arpa`. */
function reverseAddress(name: string): string | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name)
  const text = match && `${match[4]}.${match[3]}.${match[2]}.${match[1]}`
  return text && parseAddress(text) !== undefined ? text : undefined
}

/** Addresses of the asker's networks are nobody else's business. */
function reverse(directory: Directory, asker: Asker, query: Query, address: string): Verdict {
  const name = directory.nameOf(asker, address)
  const data = name === undefined ? undefined : encodeName(name)
  if (data) {
    const asks = query.type === types.PTR || query.type === types.ANY
    return { is: 'answer', rcode: rcodes.ok, answers: asks ? [{ type: types.PTR, data }] : [] }
  }
  const own = asker.networks.some(({ subnet }) => contains(parseSubnet(subnet)!, parseAddress(address)!))
  return own ? nothing(rcodes.noSuchName) : forward
}
