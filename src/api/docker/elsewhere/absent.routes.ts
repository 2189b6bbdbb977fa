/**
 * Endpoints of Docker that are not served, each with its reason: those of swarms answer as a daemon that is in none, the
 * rest say what is missing (kind `not_implemented`).
 */
import { notFound, notImplemented, unavailable } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { type Method, noQuery, type Route, route } from '../../route.ts'
import { clip } from '../query.ts'

const buildKit = 'BuildKit is not supported: the classic builder is asked for with DOCKER_BUILDKIT=0'

const checkpoints =
  'checkpoints are not supported: the state of a microVM is bound to the machine and the version it runs on; use docker pause, or docker commit for the files'

/** Method, path, what to say. */
const missing: readonly (readonly [Method, string, string])[] = [
  ['POST', '/session', buildKit],
  ['POST', '/grpc', buildKit],
  ['GET', '/containers/:id/checkpoints', checkpoints],
  ['POST', '/containers/:id/checkpoints', checkpoints],
  ['DELETE', '/containers/:id/checkpoints/:checkpoint', checkpoints],
  ['POST', '/swarm/init', 'swarm mode is not supported'],
  ['POST', '/swarm/join', 'swarm mode is not supported'],
  ['GET', '/plugins/privileges', 'plugins are not supported'],
  ['POST', '/plugins/pull', 'plugins are not supported'],
  ['POST', '/plugins/create', 'plugins are not supported'],
]

const swarm: readonly (readonly [Method, string])[] = [
  ['GET', '/swarm'],
  ['POST', '/swarm/update'],
  ['GET', '/swarm/unlockkey'],
  ['POST', '/swarm/unlock'],
  ...(['nodes', 'services', 'tasks', 'secrets', 'configs'] as const).flatMap((noun) => [
    ['GET', `/${noun}`] as const,
    ['GET', `/${noun}/:id`] as const,
    ['DELETE', `/${noun}/:id`] as const,
    ['POST', `/${noun}/:id/update`] as const,
  ]),
  ['POST', '/services/create'],
  ['POST', '/secrets/create'],
  ['POST', '/configs/create'],
  ['GET', '/services/:id/logs'],
  ['GET', '/tasks/:id/logs'],
]

export const absentRoutes: readonly Route[] = [
  route('GET', '/plugins', noPlugins, { query: noQuery, since: '1.25' }),
  route('GET', '/plugins/*name/json', noSuchPlugin, { query: noQuery, since: '1.25' }),
  route('DELETE', '/plugins/*name', noSuchPlugin, { query: noQuery, since: '1.25' }),
  ...['enable', 'disable', 'push', 'set', 'upgrade'].map((action) =>
    route('POST', `/plugins/*name/${action}`, noSuchPlugin, { query: noQuery, since: '1.25' }),
  ),
  route('POST', '/swarm/leave', notOfASwarm, { query: noQuery, since: '1.24', served: false }),
  ...missing.map(([method, path, why]) =>
    route(method, path, () => Promise.reject(notImplemented('not_supported', why)), {
      query: noQuery,
      served: false,
    }),
  ),
  ...swarm.map(([method, path]) =>
    route(method, path, notInSwarm, { query: noQuery, since: '1.24', served: false }),
  ),
]

function noPlugins({ reply }: Exchange): void {
  reply.json(200, [])
}

function noSuchPlugin({ params }: Exchange): void {
  throw notFound('no_such_plugin', `plugin "${clip(params.name!)}" not found`)
}

function notOfASwarm(): void {
  throw unavailable('no_swarm', 'This node is not part of a swarm')
}

function notInSwarm(): void {
  throw unavailable(
    'no_swarm',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  )
}
