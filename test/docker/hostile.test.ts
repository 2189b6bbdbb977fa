/** Requests that no client means, to a real daemon: none is its fault, none hangs, and what is refused leaves nothing. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { dockerRoutes } from '../../src/api/docker/routes.ts'
import { hostileRequest } from '../../src/api/support/hostile.ts'
import { setUp } from '../differential/case.ts'
import { busyboxArchive } from '../differential/fixtures.ts'
import { type Answer, jsonOf, Peer } from '../differential/peer.ts'
import { Daemon } from '../support/daemon.ts'

const daemon = await Daemon.start({ poolSize: 0 })
after(() => daemon[Symbol.asyncDispose]())
const peer = new Peer(daemon.socket)
await peer.prepare([
  setUp('POST /images/load?quiet=1', await busyboxArchive(), {
    headers: { 'Content-Type': 'application/x-tar' },
  }),
])

/** They wait, start microVMs by the dozen, or ask registries that random names might name. */
const leftOut = /wait|attach|start$|restart$|^\/images\/create|push|^\/auth|^\/distribution|^\/images\/search/
const routes = dockerRoutes.filter(
  ({ served, method, path }) =>
    // The one image there is stays.
    served && !leftOut.test(path) && !(method === 'DELETE' && path.startsWith('/images')),
)

const get = async (path: string) => jsonOf(await peer.ask({ request: `GET ${path}` })) as never
type Named = readonly { readonly Id?: string; readonly Name: string }[]

async function there(): Promise<Readonly<Record<'containers' | 'volumes' | 'networks', string[]>>> {
  const [containers, volumes, networks] = await Promise.all([
    get('/containers/json?all=1') as Promise<Named>,
    get('/volumes') as Promise<{ Volumes: Named | null }>,
    get('/networks') as Promise<Named>,
  ])
  return {
    containers: containers.map(({ Id }) => Id!).sort(),
    volumes: (volumes.Volumes ?? []).map(({ Name }) => Name).sort(),
    networks: networks.map(({ Id }) => Id!).sort(),
  }
}

/** What a request made by right goes again, so that the next begins where it began. */
async function remove(path: string, answer: Answer): Promise<void> {
  const { Id: id, Name: name } = (jsonOf(answer) ?? {}) as { Id?: string; Name?: string }
  const [, noun] = /\/(containers|volumes|networks)\/create$/.exec(path) ?? []
  const ref = noun === 'volumes' ? name : id
  if (noun && ref) await peer.ask({ request: `DELETE /${noun}/${encodeURIComponent(ref)}?force=1&v=1` })
}

async function withContainer(): Promise<void> {
  const { status } = await peer.ask({ request: 'GET /containers/c1/json' })
  if (status === 404) await peer.prepare([setUp('POST /containers/create?name=c1', { Image: 'busybox' })])
}

for (const route of routes) {
  const name = `${route.method} ${route.path}`
  test(`${name} is hardened`, async () => {
    const hostile = hostileRequest(route, { names: ['c1', 'bridge'], within: { Image: 'busybox' } })
    await fc.assert(
      fc.asyncProperty(hostile, async ({ method, target, body }) => {
        await withContainer()
        const before = await there()
        const asked = `${method} =${target}`
        const answer = await peer.ask({ request: asked, ...(body === undefined ? {} : { body }) })
        assert.notEqual(answer.status, 500, `${asked} ${body}: ${answer.text}`)
        assert.notEqual(answer.status, 0, `${asked} ${body}: no answer`)
        if (answer.status >= 300) assert.deepEqual(await there(), before, `${asked} ${body}`)
        else await remove(route.path, answer)
      }),
      { numRuns: route.body ? 25 : 5 },
    )
  })
}

test('nothing of all this was a fault of the daemon', () => {
  assert.doesNotMatch(daemon.log, /by a fault of ours/)
})
