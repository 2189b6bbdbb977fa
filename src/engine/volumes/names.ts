/** What a user may say of a new volume, in dockerd's words. */
import { parseBytes } from '../../lib/bytes.ts'
import { invalid, notFound } from '../../lib/errors.ts'

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
const snapshotPattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
/** A name is a file name to dockerd. */
const nameCharsMax = 255

export function checkVolumeName(name: string): void {
  const bad = (why: string) => invalid('bad_volume_name', `create ${clip(name)}: ${why}`)
  if (name.length === 1) {
    throw bad('volume name is too short, names should be at least two alphanumeric characters')
  }
  if (!namePattern.test(name)) {
    throw bad(
      `"${clip(name)}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
        'If you intended to pass a host directory, use absolute path',
    )
  }
  if (name.length > nameCharsMax) throw bad(`a volume name has at most ${nameCharsMax} characters`)
}

export function checkSnapshotName(name: string): void {
  if (snapshotPattern.test(name) && name.length <= nameCharsMax) return
  throw invalid(
    'bad_snapshot_name',
    `"${clip(name)}" cannot name a snapshot: that is at most ${nameCharsMax} of [a-zA-Z0-9_.-], with a letter or digit first`,
  )
}

export function checkVolumeDriver(name: string, driver: string): void {
  if (driver === '' || driver === 'local') return
  throw notFound(
    'no_such_plugin',
    `create ${clip(name)}: error looking up volume plugin ${clip(driver)}: plugin "${clip(driver)}" not found`,
  )
}

/** What dockerd's own driver would hand to mount(2) of the host. */
const hostOptions = ['type', 'device', 'o']

/** Of the option `size`; 0: none was asked for. */
export function volumeSize(name: string, options: Readonly<Record<string, string>>): number {
  let size = 0
  for (const [option, value] of Object.entries(options)) {
    if (hostOptions.includes(option)) {
      throw invalid(
        'bad_volume_option',
        `create ${clip(name)}: the option "${option}" is not possible: a volume here is a disk of its own, and nothing of the ` +
          'host is mounted; say how large it is to be with size=10G',
      )
    }
    if (option !== 'size') {
      throw invalid('bad_volume_option', `create ${clip(name)}: invalid option: "${clip(option)}"`)
    }
    const bytes = parseBytes(value)
    if (!bytes) {
      throw invalid('bad_volume_option', `create ${clip(name)}: invalid size: '${clip(value)}'`)
    }
    size = bytes
  }
  return size
}

const clip = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text)
