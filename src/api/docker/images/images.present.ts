/** Images in Docker's JSON. */
import type { ImageConfig } from '../../../engine/ports/images.ts'
import { atLeast } from '../../versions.ts'
import type { ImageDetails, ListedImage } from '../backends.ts'
import { rfc3339Nano, unixSeconds } from '../time.ts'

/** `containers`: how many use it, -1 when it was not counted. */
export function imageSummaryJson(image: Omit<ListedImage, 'hasChildren'>, containers = -1, version?: string) {
  // Before 1.43, an image without a name had one that said so.
  const old = version !== undefined && !atLeast(version, '1.43')
  const named = (names: readonly string[], none: string) => (old && names.length === 0 ? [none] : names)
  return {
    Id: image.id,
    ParentId: image.parent,
    RepoTags: named(image.tags, '<none>:<none>'),
    RepoDigests: named(image.digests, '<none>@<none>'),
    Created: unixSeconds(image.createdAt),
    Size: image.size,
    ...virtualSize(image.size, version),
    SharedSize: -1,
    Labels: Object.keys(image.labels).length > 0 ? image.labels : null,
    Containers: containers,
  }
}

export function imageJson(image: ImageDetails, version: string) {
  const config = configJson(image.config)
  return {
    Id: image.id,
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Parent: image.parent,
    Comment: image.comment,
    Created: rfc3339Nano(image.createdAt),
    // Gone from dockerd since 1.45, and still read by docker-compose 1.29 when it makes containers anew.
    Container: '',
    ContainerConfig: config,
    DockerVersion: image.dockerVersion,
    Author: image.author,
    Config: config,
    Architecture: image.architecture,
    ...(image.variant ? { Variant: image.variant } : {}),
    Os: image.os,
    Size: image.size,
    ...virtualSize(image.size, version),
    GraphDriver: { Data: {}, Name: 'squashfs' },
    RootFS: { Type: 'layers', Layers: image.layers },
    Metadata: { LastTagTime: rfc3339Nano(image.lastTaggedAt) },
  }
}

const virtualSize = (size: number, version?: string) =>
  version !== undefined && !atLeast(version, '1.44') ? { VirtualSize: size } : {}

/** The parts of a container's configuration that an image never has are there, empty, as clients expect. */
function configJson(config: ImageConfig) {
  const some = (set: Readonly<Record<string, unknown>>) => (Object.keys(set).length > 0 ? set : null)
  return {
    Hostname: '',
    Domainname: '',
    User: config.User,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(some(config.ExposedPorts) ? { ExposedPorts: config.ExposedPorts } : {}),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.Env,
    Cmd: config.Cmd,
    ...(config.Healthcheck ? { Healthcheck: config.Healthcheck } : {}),
    Image: '',
    Volumes: some(config.Volumes),
    WorkingDir: config.WorkingDir,
    Entrypoint: config.Entrypoint,
    OnBuild: config.OnBuild,
    Labels: some(config.Labels),
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(config.Shell ? { Shell: config.Shell } : {}),
  }
}

/** Newest step first; only the last one is an image that can be named. */
export function historyJson(image: ImageDetails) {
  const steps = image.history.toReversed()
  return steps.map((step, index) => ({
    Id: index === 0 ? image.id : '<missing>',
    Created: step.createdAt ? unixSeconds(step.createdAt) : 0,
    CreatedBy: step.createdBy,
    Tags: index === 0 && image.tags.length > 0 ? image.tags : null,
    Size: step.size,
    Comment: step.comment,
  }))
}

export function removedJson(removed: readonly ({ untagged: string } | { deleted: string })[]) {
  return removed.map((step) => ('untagged' in step ? { Untagged: step.untagged } : { Deleted: step.deleted }))
}
