/** Making a container: the image's defaults under the request, everything that can be refused refused now. */
import { mkdir, rm } from 'node:fs/promises'
import { invalid } from '../../lib/errors.ts'
import { newId, shortId } from '../../lib/ids.ts'
import { Rollback } from '../../lib/rollback.ts'
import { dateOf } from '../clock.ts'
import { type EngineContext, tell } from '../context.ts'
import { limitsOf as logLimitsOf } from '../logs/container-log.ts'
import type { Container, ContainerRequest, ContainerSpec } from '../model.ts'
import { isIsolated } from '../networks/attachments.ts'
import { ContainerOwner } from '../owner.ts'
import type { Image } from '../ports/images.ts'
import type { PublishedPort } from '../ports/network.ts'
import type { StoredContainer } from '../ports/store.ts'
import { parseSignal } from '../signals.ts'
import { resolveMounts } from '../volumes/mounts.ts'
import { capabilitiesOf } from './capabilities.ts'
import { extraHost } from './hosts-files.ts'
import { mergeCommand, mergeEnv, mergeHealthCheck } from './merge-image.ts'
import { checkName, randomName } from './names.ts'
import { chooseSize } from './sizes.ts'
import { tmpfsOptions } from './tmpfs.ts'

export async function createContainer(
  context: EngineContext,
  project: string,
  request: ContainerRequest,
): Promise<{ container: Container; warnings: readonly string[] }> {
  const { registry, options, clock } = context
  const id = newId()
  const given = request.name === undefined ? undefined : checkName(request.name)
  await using undo = new Rollback()
  const name = given ?? randomName((candidate) => registry.isNameTaken(project, candidate))
  registry.reserveName(project, name, id)
  undo.add(() => registry.releaseName(project, name))
  const image = await options.images.resolve(project, request.image)
  const spec = specOf(id, request, image, context)
  const mounts = await mountsOf(context, { id, project }, request, spec.volumes, undo)
  const container: StoredContainer = {
    id,
    project,
    name,
    createdAt: dateOf(clock.nowNano()),
    spec: { ...spec, mounts },
    state: {
      status: 'created',
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAt: null,
      finishedAt: null,
      restartCount: 0,
      stoppedByUser: false,
      stop: null,
      pid: 0,
      health: null,
    },
    sandbox: null,
    ports: [],
    scratchBaseBytes: null,
  }
  const owner = new ContainerOwner(context, container)
  // Search, but not read: the sandbox's own user opens the writable disk in it, and nothing else there is open to it.
  await mkdir(owner.directory, { recursive: true, mode: 0o711 })
  undo.add(() => rm(owner.directory, { recursive: true, force: true }))
  await options.containers.add(container)
  registry.add(owner)
  undo.commit()
  tell(context, container, 'create')
  return { container, warnings: warningsOf(request) }
}

/** A failure leaves no volume that nobody named. */
async function mountsOf(
  context: EngineContext,
  container: { readonly id: string; readonly project: string },
  request: ContainerRequest,
  imageVolumes: readonly string[],
  undo: Rollback,
) {
  const anonymous: string[] = []
  undo.add(async () => {
    await context.volumes.removeAnonymous(container.id, anonymous)
    context.volumes.forget(container.id)
  })
  return resolveMounts(context, container, request, imageVolumes, (mount) => {
    if (mount.anonymous) anonymous.push(mount.volume)
  })
}

function warningsOf(request: ContainerRequest): readonly string[] {
  return isIsolated(request) && request.publish.length > 0
    ? ['Published ports are discarded when using no network']
    : []
}

function specOf(id: string, request: ContainerRequest, image: Image, context: EngineContext): ContainerSpec {
  const { sizes, defaultSize } = context.options
  const { config } = image
  const { name: _, healthcheck: asked, mounts: _m, anonymousVolumes: _a, volumesFrom: _f, ...more } = request
  const { volumeDriver: _d, ...rest } = more
  const healthcheck = mergeHealthCheck(asked, config)
  const spec: ContainerSpec = {
    ...rest,
    ...mergeCommand(request, config),
    imageId: image.id,
    env: mergeEnv(request.env, config.Env),
    workingDir: request.workingDir || config.WorkingDir,
    user: request.user ?? config.User,
    hostname: request.hostname ?? shortId(id),
    labels: { ...config.Labels, ...request.labels },
    stopSignal: request.stopSignal || config.StopSignal || 'SIGTERM',
    ...(healthcheck ? { healthcheck } : {}),
    size: chooseSize(request, sizes, defaultSize).name,
    volumes: Object.keys(config.Volumes),
    mounts: [],
    ...portsOf(request, Object.keys(config.ExposedPorts)),
  }
  check(spec)
  return spec
}

/** Bounds of the guest protocol: a request beyond them could never be started. */
const listMax = 4_096
/** The kernel's, with its terminator. */
const hostnameLengthMax = 63

/** What would otherwise fail only when the container is started. */
function check(spec: ContainerSpec): void {
  if (spec.workingDir && !spec.workingDir.startsWith('/')) {
    const why = 'it needs to be an absolute path'
    throw invalid('bad_working_dir', `the working directory '${spec.workingDir}' is invalid, ${why}`)
  }
  if (spec.hostname.length > hostnameLengthMax || !/^[a-zA-Z0-9_]([a-zA-Z0-9._-]*)$/.test(spec.hostname)) {
    throw invalid('bad_hostname', `invalid hostname format: ${spec.hostname}`)
  }
  const args = [...(spec.entrypoint ?? []), ...(spec.cmd ?? [])]
  if (args.length > listMax || spec.env.length > listMax) {
    throw invalid('too_many', `a container can have ${listMax} arguments and ${listMax} variables at most`)
  }
  if ([...args, ...spec.env].some((text) => text.includes('\0'))) {
    throw invalid('nul_byte', 'arguments and variables of a process cannot hold a NUL byte')
  }
  if (spec.restartPolicy.name !== 'no' && spec.autoRemove) {
    throw invalid('restart_and_remove', "can't create 'AutoRemove' container with restart policy")
  }
  parseSignal(spec.stopSignal)
  capabilitiesOf(spec)
  logLimitsOf(spec.logConfig)
  for (const entry of spec.extraHosts) extraHost(entry)
  for (const [path, asked] of Object.entries(spec.tmpfs)) tmpfsOptions(path, asked)
}

/** Exposed ports of request and image; with -P each of them is published where it is not by name. */
function portsOf(
  request: ContainerRequest,
  exposedByImage: readonly string[],
): Pick<ContainerSpec, 'exposedPorts' | 'publish'> {
  const published = request.publish.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`)
  const exposedPorts = [...new Set([...request.exposedPorts, ...exposedByImage, ...published])]
  if (isIsolated(request)) return { exposedPorts, publish: [] }
  if (!request.publishAll) return { exposedPorts, publish: request.publish }
  const missing = exposedPorts.filter((port) => !published.includes(port)).flatMap(onAnyPort)
  return { exposedPorts, publish: [...request.publish, ...missing] }
}

function onAnyPort(exposed: string): PublishedPort[] {
  const [port, protocol = 'tcp'] = exposed.split('/')
  if (protocol !== 'tcp' && protocol !== 'udp') return []
  return [{ protocol, containerPort: Number(port), hostAddress: '', hostPort: 0 }]
}
