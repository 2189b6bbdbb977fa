/** The whole: ping, version, info, events, use of disk, log-in. */
import { invalid } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import type { ImagesUsage, ListedImage } from '../backends.ts'
import { cacheRowJson, cacheRows } from '../build/build.present.ts'
import { summaryJson } from '../containers/containers.present.ts'
import { isShown } from '../images/images.filter.ts'
import { imageSummaryJson } from '../images/images.present.ts'
import type { Output } from '../output.ts'
import { volumeJson } from '../volumes/volumes.present.ts'
import { eventFilter, eventJson } from './events.present.ts'
import { infoJson, versionJson } from './system.present.ts'
import * as schema from './system.schema.ts'

export const systemRoutes: readonly Route[] = [
  route('GET', '/_ping', ping, { query: noQuery }),
  route('HEAD', '/_ping', ping, { query: noQuery }),
  route('GET', '/version', version, { query: noQuery }),
  route('GET', '/info', info, { query: noQuery }),
  route('GET', '/events', events, { query: schema.eventsQuery }),
  route('GET', '/system/df', usage, { query: schema.usageQuery, since: '1.25' }),
  route('POST', '/auth', auth, { query: noQuery, body: schema.authBody }),
]

function ping({ reply }: Exchange): void {
  reply.header('Cache-Control', 'no-cache, no-store, must-revalidate')
  reply.header('Pragma', 'no-cache')
  // There is no BuildKit behind this: clients use the classic builder.
  reply.header('Builder-Version', '1')
  reply.header('Swarm', 'inactive')
  reply.text(200, 'OK')
}

async function version({ backends, scope, reply }: Exchange): Promise<void> {
  reply.json(200, versionJson(await backends.system.info(scope)))
}

async function info({ backends, scope, reply }: Exchange): Promise<void> {
  const [about, containers, images] = await Promise.all([
    backends.system.info(scope),
    backends.containers.list(scope),
    backends.images.list(scope),
  ])
  reply.json(200, infoJson(about, containers, images.length, new Date()))
}

async function events({
  backends,
  scope,
  query,
  signal,
  reply,
}: Exchange<Output<typeof schema.eventsQuery>>) {
  const { since, until, filters } = query
  const wanted = eventFilter(filters)
  if (since !== null && until !== null && since > until) {
    const seconds = (nanos: bigint) => nanos / 1_000_000_000n
    throw invalid(
      'bad_range',
      `\`since\` time (${seconds(since)}) cannot be after \`until\` time (${seconds(until)})`,
    )
  }
  const stream = backends.events.subscribe(scope, { sinceNano: since, untilNano: until, signal })
  const iterator = stream[Symbol.asyncIterator]()
  // Asked for before the headers leave: a client that has them relies on missing nothing from then on.
  let next = iterator.next()
  const sink = reply.stream(200, 'application/json')
  for (let event = await next; !event.done; event = await next) {
    if (wanted(event.value)) await sink.write(`${JSON.stringify(eventJson(event.value))}\n`)
    next = iterator.next()
  }
  sink.end()
}

async function usage({
  backends,
  scope,
  query,
  version,
  reply,
}: Exchange<Output<typeof schema.usageQuery>>): Promise<void> {
  const asked = (type: string) => query.type.length === 0 || query.type.includes(type)
  const [containers, images, volumes] = await Promise.all([
    backends.containers.list(scope),
    backends.images.list(scope),
    asked('volume') ? backends.volumes.list(scope) : [],
  ])
  const now = new Date()
  const lines = containers.map(async (container) =>
    summaryJson(container, now, await backends.containers.sizes(scope, container.id)),
  )
  const volumeUsage = async (volume: (typeof volumes)[number]) =>
    volumeJson(volume, { bytes: await backends.volumes.usedBytes(scope, volume.name) })
  const used = (id: string) => containers.filter(({ spec }) => spec.imageId === id).length
  const taken = asked('image') ? await backends.images.usage(scope) : null
  // What it takes here: the layers as they came, and the block image made of them.
  const imageUsage = (image: ListedImage, { images: byId }: ImagesUsage) => ({
    ...imageSummaryJson(image, used(image.id), version),
    Size: byId.get(image.id)?.bytes ?? 0,
    SharedSize: byId.get(image.id)?.shared ?? 0,
  })
  reply.json(200, {
    ...(taken ? { LayersSize: taken.bytes } : {}),
    Images: taken ? images.filter(isShown).map((image) => imageUsage(image, taken)) : null,
    Containers: asked('container') ? await Promise.all(lines) : null,
    Volumes: asked('volume') ? await Promise.all(volumes.map(volumeUsage)) : null,
    BuildCache: asked('build-cache') ? (await cacheRows(backends, scope)).map(cacheRowJson) : null,
    BuilderSize: 0,
  })
}

const dockerHub = 'https://index.docker.io/v1/'

async function auth({
  backends,
  body,
  reply,
}: Exchange<unknown, Output<typeof schema.authBody>>): Promise<void> {
  const { status, identityToken } = await backends.images.login({
    username: body.username,
    password: body.password,
    ...(body.identitytoken ? { identityToken: body.identitytoken } : {}),
    ...(body.registrytoken ? { registryToken: body.registrytoken } : {}),
    serverAddress: body.serveraddress || dockerHub,
  })
  reply.json(200, { Status: status, IdentityToken: identityToken })
}
