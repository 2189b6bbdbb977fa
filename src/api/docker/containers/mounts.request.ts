/** Docker's ways to say what is mounted in a container → volumes and tmpfs. What is of the host is refused, in dockerd's words where it has them. */
import { posix } from 'node:path'
import type { ContainerRequest, MountRequest } from '../../../engine/model.ts'
import { type HummingbirdError, invalid } from '../../../lib/errors.ts'
import { clip } from '../query.ts'
import type { CreateBody, HostConfig } from './containers.schema.ts'

type Mounts = Pick<ContainerRequest, 'mounts' | 'anonymousVolumes' | 'volumeDriver' | 'volumesFrom' | 'tmpfs'>
type Mount = HostConfig['Mounts'][number]

export function mountsOf(body: CreateBody): Mounts {
  const host = body.HostConfig
  return {
    mounts: [
      ...host.Binds.map((bind) => bindRequest(bind, host.VolumeDriver)),
      ...host.Mounts.filter(({ Type: type }) => check(type)).flatMap(mountRequest),
    ],
    anonymousVolumes: body.Volumes.map(anonymousPath),
    volumeDriver: host.VolumeDriver,
    volumesFrom: host.VolumesFrom.map(volumesFrom),
    tmpfs: tmpfs(host),
  }
}

const bad = (message: string) => invalid('bad_mount', message)
const cleaned = (path: string): string => posix.normalize(path).replace(/(.)\/$/, '$1')

/** What is wrong with a place in a container, if anything is. */
function wrongTarget(target: string): string | undefined {
  if (target === '') return 'field Target must not be empty'
  if (!target.startsWith('/')) return `invalid mount path: '${clip(target)}' mount path must be absolute`
  if (cleaned(target) === '/') return "invalid specification: destination can't be '/'"
  return undefined
}

function anonymousPath(path: string): string {
  const wrong = wrongTarget(path)
  if (wrong) throw bad(wrong)
  return cleaned(path)
}

/** Modes of a bind that say what is the host's concern alone. */
const propagations = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']
const labelModes = ['z', 'Z']
const accessModes = ['ro', 'rw']

/** `/path`, `name:/path` or `name:/path:modes`. */
function bindRequest(bind: string, driver: string): MountRequest {
  const parts = bind.split(':')
  const [first = '', second, modes = ''] = parts
  const wrong = (why?: string) =>
    bad(`invalid volume specification: '${clip(bind)}'${why === undefined ? '' : `: ${why}`}`)
  if (parts.length > 3 || first === '' || second === '') throw wrong()
  const target = second ?? first
  if (first.startsWith('/') && second !== undefined) throw bindOfHost(bind)
  const wrongPath = wrongTarget(target)
  if (wrongPath) throw wrong(`invalid mount config for type "volume": ${wrongPath}`)
  const given = modesOf(modes)
  if (given.some((mode) => propagations.includes(mode))) {
    throw wrong('invalid mount config for type "volume": field BindOptions must not be specified')
  }
  return {
    ...(second === undefined ? {} : { volume: first }),
    destination: cleaned(target),
    readOnly: given.includes('ro'),
    noCopy: given.includes('nocopy'),
    ...{ driver, labels: {}, options: {} },
    mode: modes || 'z',
  }
}

/** One of each kind at most. */
function modesOf(text: string): readonly string[] {
  const modes = text.split(',').filter(Boolean)
  const kinds = [accessModes, labelModes, propagations, ['nocopy']]
  const known = modes.every((mode) => kinds.some((kind) => kind.includes(mode)))
  const twice = kinds.some((kind) => modes.filter((mode) => kind.includes(mode)).length > 1)
  if (!known || twice) throw bad(`invalid mode: ${clip(text)}`)
  return modes
}

const bindOfHost = (what: string) =>
  invalid(
    'refused_option',
    `invalid mount config for type "bind": ${clip(what)}: a container here has a microVM of its own and sees no files of a host; ` +
      'put them into the image, or copy them into a volume',
  )

/** True of what mounts a volume; throws for what is not possible here. */
function check(type: string): boolean {
  if (type === 'volume') return true
  if (type === 'tmpfs') return false
  throw refusalOf(type)
}

function refusalOf(type: string): HummingbirdError {
  if (type === 'bind') return bindOfHost('--mount type=bind')
  const why: Readonly<Record<string, string>> = {
    npipe: 'named pipes are of Windows',
    cluster: 'cluster volumes are of swarms, and there is none',
    image: 'an image is the root of a container here, and is not mounted in another one',
  }
  const reason = why[type] ?? 'mount type unknown'
  return invalid('refused_option', `invalid mount config for type "${clip(type)}": ${reason}`)
}

function mountRequest(mount: Mount): MountRequest {
  const { Source: source, Target: target, ReadOnly: readOnly, VolumeOptions: options } = mount
  const wrong = (why: string) => bad(`invalid mount config for type "volume": ${why}`)
  const wrongPath = wrongTarget(target)
  if (wrongPath) throw wrong(wrongPath)
  if (mount.BindOptions) throw wrong('field BindOptions must not be specified')
  if (source === '' && readOnly) throw wrong('must not set ReadOnly mode when using anonymous volumes')
  const subpath = options?.Subpath ? cleaned(options.Subpath) : undefined
  if (subpath !== undefined) {
    if (source === '') throw wrong('must not set Subpath when using anonymous volumes')
    if (subpath.startsWith('/') || subpath === '..' || subpath.startsWith('../')) {
      throw wrong('subpath must be a relative path within the volume')
    }
  }
  return {
    ...(source === '' ? {} : { volume: source }),
    destination: cleaned(target),
    readOnly,
    noCopy: options?.NoCopy ?? false,
    ...(subpath === undefined || subpath === '.' ? {} : { subpath }),
    driver: options?.DriverConfig?.Name ?? '',
    labels: options?.Labels ?? {},
    options: options?.DriverConfig?.Options ?? {},
    mode: 'z',
  }
}

/** `container` or `container:ro`. */
function volumesFrom(text: string): { container: string; readOnly: boolean } {
  if (text === '') throw bad('volumes-from specification cannot be an empty string')
  const at = text.indexOf(':')
  if (at < 0) return { container: text, readOnly: false }
  const mode = text.slice(at + 1)
  const modes = modesOf(mode)
  if (modes.includes('nocopy')) throw bad(`invalid mode: ${clip(mode)}`)
  return { container: text.slice(0, at), readOnly: modes.includes('ro') }
}

/** Of `--tmpfs path:options` and of `--mount type=tmpfs`. */
function tmpfs(host: HostConfig): Record<string, string> {
  const mounts = new Map<string, string>()
  for (const [target, options] of Object.entries(host.Tmpfs)) {
    const wrong = wrongTarget(target)
    if (wrong) throw bad(wrong)
    mounts.set(cleaned(target), options)
  }
  for (const mount of host.Mounts) if (mount.Type === 'tmpfs') mounts.set(...tmpfsMount(mount))
  return Object.fromEntries(mounts)
}

function tmpfsMount(mount: Mount): [target: string, options: string] {
  const { Source: source, Target: target, ReadOnly: readOnly, TmpfsOptions: given } = mount
  const wrong =
    wrongTarget(target) ??
    (mount.BindOptions ? 'field BindOptions must not be specified' : undefined) ??
    (source === '' ? undefined : 'field Source must not be specified')
  if (wrong) throw bad(`invalid mount config for type "tmpfs": ${wrong}`)
  const { SizeBytes: size = 0, Mode: mode = 0, Options: options } = given ?? {}
  if (size < 0 || mode < 0 || mode > 0o7777) {
    throw bad('invalid mount config for type "tmpfs": TmpfsOptions must not be negative or out of range')
  }
  return [
    cleaned(target),
    [
      ...(readOnly ? ['ro'] : []),
      ...(size ? [`size=${size}`] : []),
      ...(mode ? [`mode=${mode.toString(8)}`] : []),
      ...(options ?? []).map((option) => option.join('=')),
    ].join(','),
  ]
}
