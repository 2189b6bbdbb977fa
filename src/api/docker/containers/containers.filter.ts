/** Which containers a list shows: Docker's filters, `all` and `limit`. */
import type { Container } from '../../../engine/model.ts'
import { kindOf } from '../../../lib/errors.ts'
import type { Backends, Scope } from '../backends.ts'
import { Filters, invalidFilter } from '../filters.ts'
import { clip, refuseIf } from '../query.ts'
import { parseMoment } from '../time.ts'
import { dockerState, dockerStates, healthStates, healthStatus, isUp } from './state.present.ts'

const names = [
  ...[
    'ancestor',
    'before',
    'exited',
    'expose',
    'health',
    'id',
    'is-task',
    'isolation',
    'label',
    'name',
    'network',
  ],
  ...['publish', 'since', 'status', 'volume'],
]

export interface ListQuery {
  readonly all: boolean
  readonly limit?: number | undefined
  readonly filters: string
}

/** `containers`: newest first. Rejects with kind `not_found` when `before` or `since` names none. */
export async function selectContainers(
  containers: readonly Container[],
  query: ListQuery,
  backends: Backends,
  scope: Scope,
): Promise<Container[]> {
  const filters = new Filters(query.filters, names)
  const limit = query.limit && query.limit > 0 ? query.limit : Number.POSITIVE_INFINITY
  const states = filters.oneOf('status', dockerStates)
  const everyState = query.all || limit !== Number.POSITIVE_INFINITY || states.length > 0
  const matches = matcher(filters)
  const images = await ancestors(filters, backends, scope)
  const age = await ageRange(containers, filters, backends, scope)
  return containers
    .filter((container) => everyState || isUp(container))
    .filter(matches)
    .filter((container) => !images || images.has(container.spec.imageId) || images.has(container.spec.image))
    .filter(age)
    .slice(0, limit)
}

function matcher(filters: Filters): (container: Container) => boolean {
  const exited = filters.get('exited').map((code) => {
    if (!/^-?\d{1,9}$/.test(code)) throw invalidFilter('exited', code)
    return Number(code)
  })
  const publish = filters.get('publish').map((range) => parsePorts('publish', range))
  const expose = filters.get('expose').map((range) => parsePorts('expose', range))
  const health = filters.get('health')
  for (const state of health) {
    refuseIf(
      !healthStates.some((known) => known === state),
      `Unrecognised filter value for health: ${clip(state)}`,
    )
  }
  const tasks = filters.boolean('is-task')
  return (container) => {
    const { spec, state, name, id } = container
    const published = (
      livePorts(container) ? container.ports.flatMap((port) => port.published) : spec.publish
    ).map((p) => `${p.containerPort}/${p.protocol}`)
    return (
      filters.allowsPattern('name', [`/${name}`, name]) &&
      filters.allowsPattern('id', [id]) &&
      filters.allowsLabels(spec.labels) &&
      filters.allows('status', dockerState(state)) &&
      (exited.length === 0 ||
        (!isUp(container) && state.startedAt !== null && exited.includes(state.exitCode))) &&
      (health.length === 0 || health.includes(healthStatus(state))) &&
      tasks !== true &&
      (!filters.has('volume') ||
        spec.mounts.some(({ name, destination }) =>
          [name, destination].some((own) => filters.get('volume').includes(own)),
        )) &&
      inNetwork(container, filters) &&
      (publish.length === 0 || published.some((port) => publish.some((within) => within(port)))) &&
      (expose.length === 0 || spec.exposedPorts.some((port) => expose.some((within) => within(port))))
    )
  }
}

function inNetwork(container: Container, filters: Filters): boolean {
  if (!filters.has('network')) return true
  const own = [
    ...container.spec.attachments.flatMap(({ network, name }) => [network, name]),
    ...container.ports.map(({ network }) => network),
  ]
  const ids = own.filter((name) => name.length === 64)
  return filters
    .get('network')
    .some((network) => own.includes(network) || ids.some((id) => network !== '' && id.startsWith(network)))
}

const livePorts = ({ ports }: Container): boolean => ports.length > 0

/** `80`, `80/udp`, `8000-8080/tcp`. */
function parsePorts(name: string, text: string): (port: string) => boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text)
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])]
  if (!match || first > 65_535 || last > 65_535) throw invalidFilter(name, text)
  return (port) => {
    const [number, protocol = 'tcp'] = port.split('/')
    return Number(number) >= first && Number(number) <= last && protocol === (match[3] ?? 'tcp')
  }
}

/** Ids and names of the images asked for; null: not asked. One that does not exist has no containers. */
async function ancestors(filters: Filters, { images }: Backends, scope: Scope): Promise<Set<string> | null> {
  if (!filters.has('ancestor')) return null
  const known = new Set<string>()
  for (const name of filters.get('ancestor')) {
    try {
      known.add((await images.get(scope, name)).id)
    } catch (error) {
      const kind = kindOf(error)
      if (kind !== 'not_found' && kind !== 'invalid') throw error
      known.add(name)
    }
  }
  return known
}

/** By the place in the list: times within a millisecond say nothing. */
async function ageRange(
  all: readonly Container[],
  filters: Filters,
  { containers }: Backends,
  scope: Scope,
): Promise<(container: Container) => boolean> {
  const [before, since] = await Promise.all(
    (['before', 'since'] as const).map((name) => {
      const [ref] = filters.get(name)
      return ref ? containers.get(scope, ref) : null
    }),
  )
  const places = new Map(all.map(({ id }, place) => [id, place]))
  const placeOf = (container: Container | null | undefined) => places.get(container?.id ?? '')
  const [oldest, newest] = [placeOf(since) ?? Number.POSITIVE_INFINITY, placeOf(before) ?? -1]
  return ({ id }) => places.get(id)! < oldest && places.get(id)! > newest
}

/** What `docker container prune` takes away of the stopped ones. */
export function pruneMatcher(json: string, now: Date): (container: Container) => boolean {
  const filters = new Filters(json, ['until', 'label', 'label!'])
  const until = pruneUntil(filters, now)
  return ({ createdAt, spec }) =>
    (until === null || createdAt < until) &&
    filters.allowsLabels(spec.labels) &&
    filters.allowsWithoutLabels(spec.labels)
}

/** null when not asked for. */
export function pruneUntil(filters: Filters, now: Date): Date | null {
  const [text, more] = filters.get('until')
  if (text === undefined) return null
  const until = parseMoment(text, now)
  if (until === null || more !== undefined) throw invalidFilter('until', filters.get('until'))
  return until
}
