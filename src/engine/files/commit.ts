/** `docker commit`: what a container wrote becomes a layer, and what it runs with the configuration, of a new image. */
import { type EngineContext, tell } from '../context.ts'
import type { ContainerSpec } from '../model.ts'
import type { ContainerOwner } from '../owner.ts'
import type { ImageConfig } from '../ports/images.ts'
import { openFiles } from './access.ts'
import { explained } from './errors.ts'
import { refuseEnding } from './export.ts'
import { layerTar } from './layer-tar.ts'

export interface CommitOptions {
  /** `repository:tag`. */
  readonly reference?: string
  readonly comment: string
  readonly author: string
  /** Its processes stand still while the layer is read. */
  readonly pause: boolean
  readonly changes: readonly string[]
  /** Said instead of what the container runs with; {}: nothing. */
  readonly config: Partial<ImageConfig>
  readonly signal: AbortSignal
}

/** Answers the image's id. */
export async function commitContainer(
  context: EngineContext,
  owner: ContainerOwner,
  options: CommitOptions,
): Promise<string> {
  refuseEnding(owner, 'commit')
  const { project, spec } = owner.container
  const { reference, comment, author, changes, config: asked, signal } = options
  await using access = await openFiles(context, owner, { still: options.pause })
  const request = {
    parent: spec.imageId,
    container: imageConfigOf(spec),
    asked,
    changes,
    layer: layerTar(explained(access.files.layer(owner.id), { path: '/', ref: owner.container.name })),
    author,
    comment,
    createdBy: (spec.cmd ?? []).join(' '),
    ...(reference === undefined ? {} : { reference }),
  }
  if (access.isStill) tell(context, owner.container, 'pause')
  try {
    const { id, name } = await context.options.images.commit(project, request, { signal })
    tell(context, owner.container, 'commit', { comment, imageID: id, imageRef: name })
    return id
  } finally {
    if (access.isStill) tell(context, owner.container, 'unpause')
  }
}

const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]))

/** What a container runs with, as an image says it. */
export function imageConfigOf(spec: ContainerSpec): ImageConfig {
  return {
    User: spec.user,
    ExposedPorts: keys(spec.exposedPorts),
    Env: spec.env,
    Entrypoint: spec.entrypoint,
    Cmd: spec.cmd,
    Volumes: keys(spec.volumes),
    WorkingDir: spec.workingDir === '/' ? '' : spec.workingDir,
    Labels: spec.labels,
    StopSignal: spec.stopSignal === 'SIGTERM' ? '' : spec.stopSignal,
    Shell: null,
    OnBuild: null,
    Healthcheck: healthcheckOf(spec),
  }
}

function healthcheckOf({ healthcheck }: ContainerSpec): ImageConfig['Healthcheck'] {
  if (!healthcheck) return null
  const { test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = healthcheck
  return {
    Test: test,
    ...(intervalNs ? { Interval: intervalNs } : {}),
    ...(timeoutNs ? { Timeout: timeoutNs } : {}),
    ...(startPeriodNs ? { StartPeriod: startPeriodNs } : {}),
    ...(startIntervalNs ? { StartInterval: startIntervalNs } : {}),
    ...(retries ? { Retries: retries } : {}),
  }
}
