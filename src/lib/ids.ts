/** Identifiers as Docker has them: 64 lower-case hex characters, shortened to 12 for people. */
import { randomBytes } from 'node:crypto'

export const newId = (): string => randomBytes(32).toString('hex')
export const shortId = (id: string): string => id.slice(0, 12)
