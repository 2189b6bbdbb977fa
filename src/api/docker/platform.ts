/** The one platform that images are run for: this machine's own. */
import { invalid, notFound } from '../../lib/errors.ts'
import { clip } from './query.ts'

const names: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
}
const canonical = (architecture: string): string =>
  Object.hasOwn(names, architecture) ? names[architecture]! : architecture

/** As image configurations name it: `amd64`, `arm64`. */
export const hostArchitecture: string = canonical(process.arch)

/** Another platform's image would be run as what it is not. The kind is `not_found`, so that clients try to pull it. */
export function checkPlatform(platform: string, image: string): void {
  if (platform === '') return
  if (!/^[\w.-]+(\/[\w.-]+){0,2}$/.test(platform)) {
    throw invalid(
      'bad_platform',
      `"${clip(platform)}" is an invalid platform: it is OS/ARCHITECTURE[/VARIANT]`,
    )
  }
  const [os, architecture = hostArchitecture] = platform.split('/')
  if (os === 'linux' && canonical(architecture) === hostArchitecture) return
  throw notFound(
    'wrong_platform',
    `image with reference ${clip(image)} was found but does not provide the specified platform (${platform}): this machine runs linux/${hostArchitecture}`,
  )
}
