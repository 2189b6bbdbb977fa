/** The query of a build → what the builder is asked for. What cannot be is refused, with the reason. */
import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import type { BuildRequest } from '../../../build/request.ts'
import { notImplemented } from '../../../lib/errors.ts'
import { parseWith } from '../../body.ts'
import { containerRequest } from '../containers/containers.request.ts'
import { createRequest } from '../containers/containers.schema.ts'
import { registryAuth } from '../images/images.schema.ts'
import { credentialsOf } from '../images/registry-auth.ts'
import type { Output } from '../output.ts'
import { checkPlatform } from '../platform.ts'
import { clip, refuseIf } from '../query.ts'
import type { buildQuery } from './build.schema.ts'

type Query = Output<typeof buildQuery>
type FindNetwork = Parameters<typeof containerRequest>[2]

/** Throws kind `invalid` or `not_implemented`. */
export async function buildRequest(
  query: Query,
  headers: IncomingHttpHeaders,
  find: FindNetwork,
): Promise<BuildRequest> {
  refuse(query)
  checkPlatform(query.platform, 'of the build')
  return {
    dockerfile: query.dockerfile,
    tags: query.t.filter((tag) => tag !== ''),
    quiet: query.q,
    noCache: query.nocache,
    pull: query.pull,
    remove: query.rm,
    forceRemove: query.forcerm,
    target: query.target,
    args: query.buildargs ?? {},
    labels: query.labels ?? {},
    container: await containerOf(query, find),
    credentials: readRegistryConfig(headers),
    id: query.buildid,
  }
}

function refuse({ version, remote, squash, securityopt }: Query): void {
  const refusals: [wrong: boolean, why: string][] = [
    [
      version === '2' || remote === 'client-session',
      'BuildKit is not supported: the classic builder is asked for with DOCKER_BUILDKIT=0',
    ],
    [
      remote !== '',
      `the daemon fetches nothing (remote=${clip(remote)}): fetch the build context and send it with the request`,
    ],
    [squash, 'squash is not supported: copy from one stage into the next to make one layer of many'],
    [
      securityopt.length > 0,
      'security options of a build are not supported: each step runs in a microVM of its own',
    ],
  ]
  for (const [wrong, why] of refusals) if (wrong) throw notImplemented('not_supported', why)
}

/** The commands of a build run in containers as any other: asked for, checked and shown like them. */
async function containerOf(query: Query, find: FindNetwork): Promise<BuildRequest['container']> {
  const body = {
    // Each step has another.
    Image: 'step',
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      NetworkMode: query.networkmode || 'default',
      ExtraHosts: query.extrahosts,
      Memory: query.memory ?? 0,
      MemorySwap: query.memswap ?? 0,
      CpuShares: query.cpushares ?? 0,
      CpuPeriod: query.cpuperiod ?? 0,
      CpuQuota: query.cpuquota ?? 0,
      ShmSize: query.shmsize ?? 0,
      Ulimits: query.ulimits ?? [],
      CgroupParent: query.cgroupparent,
    },
  }
  refuseIf(!['', 'default'].includes(query.isolation), `Unsupported isolation: "${clip(query.isolation)}"`)
  return (await containerRequest(parseWith(createRequest, body, 'invalid build'), '', find)).request
}

const registryConfig = z.record(z.string(), registryAuth)

/** X-Registry-Config: credentials by the registry's address. Unreadable is as good as none, as with dockerd. */
function readRegistryConfig(headers: IncomingHttpHeaders): BuildRequest['credentials'] {
  const header = headers['x-registry-config']
  if (typeof header !== 'string' || header === '') return {}
  let decoded: unknown
  try {
    decoded = JSON.parse(Buffer.from(header, 'base64').toString('utf8'))
  } catch {
    return {}
  }
  const parsed = registryConfig.safeParse(decoded)
  if (!parsed.success) return {}
  return Object.fromEntries(
    Object.entries(parsed.data).flatMap(([address, auth]) => {
      const credentials = credentialsOf(auth)
      return credentials ? [[address, credentials]] : []
    }),
  )
}
