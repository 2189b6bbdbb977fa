/** What the guest is told of a container: its view of the machine, and its processes. */
import { capabilitiesOf } from './create/capabilities.ts'
import { hostsFiles, type NetworkFacts } from './create/hosts-files.ts'
import { overlayEnv } from './create/merge-image.ts'
import { limitsOf } from './create/sizes.ts'
import { tmpfsOptions } from './create/tmpfs.ts'
import type { ContainerPort, ContainerSpec, ExecRequest } from './model.ts'
import { interfaceOf } from './networks/attachments.ts'
import type {
  AttachedVolume,
  GuestContainer,
  GuestProcessSpec,
  SandboxConfiguration,
  SandboxSize,
} from './ports/sandbox.ts'
import type { StoredContainer } from './ports/store.ts'
import { mainProcessId } from './run.ts'
import { guestMountsOf } from './volumes/wants.ts'

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Docker's own. */
const maskedPaths = [
  ...['/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats'],
  ...['/proc/timer_list', '/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware'],
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** As Docker since 20.10: every user may listen on any port of the container's own network, and ping. */
const networkSysctls = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
}

/** Of the card that it was made with; others come later. */
export function configurationOf(spec: ContainerSpec, port: ContainerPort | undefined): SandboxConfiguration {
  const interfaces = port ? [interfaceOf(port, port.leadsOut)] : []
  return { hostname: spec.hostname, interfaces, sysctls: {} }
}

export function guestContainerOf(
  { id, spec }: StoredContainer,
  options: {
    readonly size: SandboxSize
    readonly volumes: readonly AttachedVolume[]
  } & NetworkFacts,
): GuestContainer {
  const { privileged } = spec
  return {
    id,
    hostname: spec.hostname,
    domainname: spec.domainname ?? '',
    readonlyRoot: spec.readonlyRoot,
    privileged,
    files: hostsFiles(spec, options),
    tmpfs: Object.entries(spec.tmpfs).map(([path, asked]) => ({ path, options: tmpfsOptions(path, asked) })),
    mounts: guestMountsOf(spec.mounts, options.volumes),
    maskedPaths: privileged ? [] : (spec.maskedPaths ?? maskedPaths),
    readonlyPaths: privileged ? [] : (spec.readonlyPaths ?? readonlyPaths),
    shmBytes: spec.shmBytes,
    limits: limitsOf(spec, options.size),
    sysctls: { ...networkSysctls, ...spec.sysctls },
  }
}

/**
 * One that does not run, for its files alone. What is mounted over them while it runs and does not outlast that is left out, and
 * of its volumes those that are not needed.
 */
export function openedContainerOf(
  container: StoredContainer,
  {
    mounts,
    ...options
  }: {
    readonly size: SandboxSize
    readonly resolvConf: string
    readonly mounts: ContainerSpec['mounts']
    readonly volumes: readonly AttachedVolume[]
  },
): GuestContainer {
  const opened = { ...container, spec: { ...container.spec, mounts } }
  return {
    ...guestContainerOf(opened, { ...options, ports: [], linked: [] }),
    tmpfs: [],
    maskedPaths: [],
    readonlyPaths: [],
    sysctls: {},
  }
}

function baseEnv(spec: ContainerSpec, tty: boolean): readonly string[] {
  return [defaultPath, `HOSTNAME=${spec.hostname}`, ...(tty ? ['TERM=xterm'] : [])]
}

function capabilitySets(names: readonly string[]): GuestProcessSpec['capabilities'] {
  return { bounding: names, effective: names, inheritable: [], ambient: [] }
}

/** Docker looks a program up as given; `cmd` and `entrypoint` together are never empty. */
export function mainArgs(spec: ContainerSpec): readonly string[] {
  return [...(spec.entrypoint ?? []), ...(spec.cmd ?? [])]
}

export function mainProcessOf({ id, spec }: StoredContainer): GuestProcessSpec {
  return {
    id: mainProcessId,
    container: id,
    main: true,
    init: spec.init,
    tty: spec.tty,
    stdin: spec.openStdin,
    args: mainArgs(spec),
    env: overlayEnv(baseEnv(spec, spec.tty), spec.env),
    cwd: spec.workingDir || '/',
    user: spec.user,
    groups: spec.groupAdd,
    capabilities: capabilitySets(capabilitiesOf(spec)),
    noNewPrivileges: spec.noNewPrivileges,
    rlimits: spec.ulimits,
    oomScoreAdj: spec.oomScoreAdj,
    ...(spec.tty && spec.consoleSize ? { size: spec.consoleSize } : {}),
  }
}

export function execProcessOf(
  { id, spec }: StoredContainer,
  processId: number,
  request: ExecRequest,
  size: { rows: number; columns: number } | undefined,
): GuestProcessSpec {
  const privileged = request.privileged || spec.privileged
  return {
    id: processId,
    container: id,
    main: false,
    init: false,
    tty: request.tty,
    stdin: request.attach.stdin,
    args: request.cmd,
    env: overlayEnv(baseEnv(spec, request.tty), spec.env, request.env),
    cwd: request.workingDir || spec.workingDir || '/',
    user: request.user || spec.user,
    groups: spec.groupAdd,
    capabilities: capabilitySets(capabilitiesOf({ ...spec, privileged })),
    noNewPrivileges: spec.noNewPrivileges,
    rlimits: spec.ulimits,
    oomScoreAdj: spec.oomScoreAdj,
    ...(size ? { size } : {}),
  }
}
