/** Versions of Docker's API: which are spoken, how a path names one, and what every answer says of them. */
import type { OutgoingHttpHeaders } from 'node:http'
import product from '../../package.json' with { type: 'json' }
import { invalid } from '../lib/errors.ts'

export const productVersion = product.version
export const apiVersion = '1.50'
/** Older than dockerd's own on purpose: tools with a version built in (skopeo asks for 1.22) keep working. */
export const apiVersionMin = '1.22'

/** `1.9` is older than `1.10`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

export const atLeast = (version: string, wanted: string): boolean => compareVersions(version, wanted) >= 0

/** `/v1.41/info` → 1.41 and `/info`; a path without a version means the newest. */
export function splitVersion(path: string): { version: string; path: string; named: boolean } {
  const match = /^\/v(\d{1,4}(?:\.\d{1,4}){0,3})(\/.*)$/.exec(path)
  return match
    ? { version: match[1]!, path: match[2]!, named: true }
    : { version: apiVersion, path, named: false }
}

/** Throws kind `invalid` in dockerd's words. */
export function checkVersion(version: string): void {
  if (compareVersions(version, apiVersion) > 0) {
    throw invalid(
      'version_too_new',
      `client version ${version} is too new. Maximum supported API version is ${apiVersion}`,
    )
  }
  if (!atLeast(version, apiVersionMin)) {
    throw invalid(
      'version_too_old',
      `client version ${version} is too old. Minimum supported API version is ${apiVersionMin}, please upgrade your client to a newer version`,
    )
  }
}

/** On every answer, errors and hijacked ones too: clients negotiate by them. */
export const commonHeaders: OutgoingHttpHeaders = {
  'Api-Version': apiVersion,
  'Docker-Experimental': 'false',
  Ostype: 'linux',
  Server: `Hummingbird/${productVersion} (linux)`,
}
