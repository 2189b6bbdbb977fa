/** Names of what networks make on the host: all of them begin with the daemon's prefix, and fit a link's 15 characters. */
import { randomBytes } from 'node:crypto'

/** The namespace's end of the link to the host. */
export const uplinkInside = 'up0'
/** Names of cards, inside a namespace, begin so; nothing else there does. */
export const cardNamePrefix = 't'
export const cardNamePattern = /^t[0-9a-f]{8}$/
/** A prefix leaves room for 8 hex characters and a letter. */
export const namePrefixPattern = /^[a-z][a-z0-9]{0,5}$/

export interface NetworkNames {
  readonly namespace: string
  /** Path of the namespace. */
  readonly netns: string
  /** The host's end of the link. */
  readonly uplink: string
}

export const namespaceDirectory = '/run/netns'

export function namesOf(prefix: string, networkId: string): NetworkNames {
  const namespace = `${prefix}-${networkId.slice(0, 8)}`
  return {
    namespace,
    netns: `${namespaceDirectory}/${namespace}`,
    uplink: `${prefix}${networkId.slice(0, 8)}u`,
  }
}

export const hostTableOf = (prefix: string): string => `${prefix}_networks`
export const newCardName = (): string => cardNamePrefix + randomBytes(4).toString('hex')
