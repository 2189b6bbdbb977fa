/** A container in Docker's JSON: whole (inspect) and as a line of a list (ps). */
import type { Container } from '../../../engine/model.ts'
import { rfc3339Nano, unixSeconds } from '../time.ts'
import { readFrontend } from './frontend.ts'
import { healthCheckJson } from './health.request.ts'
import { mountsJson } from './mounts.present.ts'
import { networkSettings, networks, portList } from './network.present.ts'
import { dockerState, stateJson, statusText } from './state.present.ts'

export interface Sizes {
  readonly writable: number
  readonly root: number
}

export function inspectJson(container: Container, extras: { execIds: readonly string[]; sizes?: Sizes }) {
  const { spec, state } = container
  const [path = '', ...args] = commandOf(container)
  return {
    Id: container.id,
    Created: rfc3339Nano(container.createdAt),
    Path: path,
    Args: args,
    State: stateJson(state),
    Image: spec.imageId,
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: '',
    Name: `/${container.name}`,
    RestartCount: state.restartCount,
    Driver: 'squashfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: extras.execIds.length > 0 ? extras.execIds : null,
    HostConfig: readFrontend(spec.frontend).hostConfig,
    GraphDriver: { Name: 'squashfs', Data: {} },
    ...(extras.sizes ? sizesJson(extras.sizes) : {}),
    Mounts: mountsJson(container),
    Config: configJson(container),
    NetworkSettings: networkSettings(container),
  }
}

/** What the client sent, with what the image added. */
function configJson({ spec }: Container) {
  const { config } = readFrontend(spec.frontend)
  const volumes = [...Object.keys((config.Volumes as object | null | undefined) ?? {}), ...spec.volumes]
  return {
    OnBuild: null,
    ...config,
    Hostname: spec.hostname,
    Domainname: spec.domainname ?? '',
    User: spec.user,
    AttachStdin: spec.attach.stdin,
    AttachStdout: spec.attach.stdout,
    AttachStderr: spec.attach.stderr,
    ...(spec.exposedPorts.length > 0 ? { ExposedPorts: emptyObjects(spec.exposedPorts) } : {}),
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    StdinOnce: spec.stdinOnce,
    Env: spec.env,
    ...(spec.healthcheck ? { Healthcheck: healthCheckJson(spec.healthcheck) } : {}),
    Cmd: spec.cmd,
    Image: spec.image,
    Volumes: volumes.length > 0 ? emptyObjects(volumes) : null,
    WorkingDir: spec.workingDir,
    Entrypoint: spec.entrypoint,
    Labels: spec.labels,
    // The default is shown only when it was asked for.
    ...(spec.stopSignal === 'SIGTERM' ? {} : { StopSignal: spec.stopSignal }),
    ...(spec.stopTimeoutSeconds === undefined ? {} : { StopTimeout: spec.stopTimeoutSeconds }),
  }
}

const emptyObjects = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]))

export function summaryJson(container: Container, now: Date, sizes?: Sizes) {
  const { spec, state } = container
  const hostConfig = readFrontend(spec.frontend).hostConfig
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: spec.image,
    ImageID: spec.imageId,
    Command: commandText(container),
    Created: unixSeconds(container.createdAt),
    Ports: portList(container),
    ...(sizes ? sizesJson(sizes) : {}),
    Labels: spec.labels,
    State: dockerState(state),
    Status: statusText(state, now),
    HostConfig: {
      NetworkMode: spec.attachments[0]?.name ?? 'none',
      ...(hostConfig.Annotations ? { Annotations: hostConfig.Annotations } : {}),
    },
    NetworkSettings: { Networks: networks(container) },
    Mounts: mountsJson(container),
  }
}

const sizesJson = ({ writable, root }: Sizes) => ({ SizeRw: writable, SizeRootFs: root + writable })

const commandOf = ({ spec }: Container): string[] => [...(spec.entrypoint ?? []), ...(spec.cmd ?? [])]

function commandText(container: Container): string {
  const [path = '', ...args] = commandOf(container)
  return [path, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ')
}
