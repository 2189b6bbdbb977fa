/** Credentials for a registry, as clients put them into the X-Registry-Auth header. */
import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { RegistryCredentials } from '../backends.ts'
import { registryAuth } from './images.schema.ts'

/** undefined: none given, empty (`e30=`, which every client sends), or unreadable, which to dockerd too is as good as none. */
export function readRegistryAuth(headers: IncomingHttpHeaders): RegistryCredentials | undefined {
  const header = headers['x-registry-auth']
  if (typeof header !== 'string' || header === '') return undefined
  const parsed = registryAuth.safeParse(decode(header))
  return parsed.success ? credentialsOf(parsed.data) : undefined
}

/** undefined: there are none in it. */
export function credentialsOf(given: z.output<typeof registryAuth>): RegistryCredentials | undefined {
  const { username, password, auth, identitytoken, registrytoken, serveraddress } = given
  const [authName, authPassword] = splitAuth(username ? '' : (auth ?? ''))
  const credentials = {
    ...optional('username', username || authName),
    ...optional('password', password || authPassword),
    ...optional('identityToken', identitytoken),
    ...optional('registryToken', registrytoken),
    ...optional('serverAddress', serveraddress),
  }
  return Object.keys(credentials).length > 0 ? credentials : undefined
}

function optional<Name extends string>(name: Name, value: string | null | undefined) {
  return (value ? { [name]: value } : {}) as Partial<Record<Name, string>>
}

function decode(header: string): unknown {
  try {
    // Both alphabets of base64 are in use, with and without padding.
    return JSON.parse(Buffer.from(header, 'base64').toString('utf8'))
  } catch {
    return undefined
  }
}

function splitAuth(auth: string): [name: string, password: string] {
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1)]
}
