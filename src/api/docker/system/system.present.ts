/** What this is, in Docker's JSON: version and info. */
import type { Container } from '../../../engine/model.ts'
import { apiVersion, apiVersionMin, productVersion } from '../../versions.ts'
import type { SystemBackend } from '../backends.ts'
import { defaultRuntime } from '../containers/frontend.ts'
import { dockerState } from '../containers/state.present.ts'
import { hostArchitecture } from '../platform.ts'
import { rfc3339Nano } from '../time.ts'

export type SystemInfo = Awaited<ReturnType<SystemBackend['info']>>

export function versionJson(info: SystemInfo) {
  const common = {
    GitCommit: '',
    GoVersion: `node ${process.versions.node}`,
    Os: 'linux',
    Arch: hostArchitecture,
    KernelVersion: info.kernelVersion,
    BuildTime: '',
  }
  const details = { ...common, ApiVersion: apiVersion, MinAPIVersion: apiVersionMin, Experimental: 'false' }
  return {
    Platform: { Name: 'Hummingbird' },
    Components: [
      { Name: 'Engine', Version: productVersion, Details: details },
      { Name: 'hypervisor', Version: info.hypervisor, Details: { Accelerator: info.accelerator } },
    ],
    Version: productVersion,
    ApiVersion: apiVersion,
    MinAPIVersion: apiVersionMin,
    ...common,
  }
}

export function infoJson(info: SystemInfo, containers: readonly Container[], images: number, now: Date) {
  const states = containers.map((container) => dockerState(container.state))
  const count = (...wanted: string[]) => states.filter((state) => wanted.includes(state)).length
  return {
    ID: info.id,
    Containers: containers.length,
    ContainersRunning: count('running', 'restarting'),
    ContainersPaused: count('paused'),
    ContainersStopped: count('created', 'exited', 'dead', 'removing'),
    Images: images,
    Driver: 'squashfs',
    DriverStatus: [['Hypervisor', info.hypervisor], ['Accelerator', info.accelerator], ...sizeLines(info)],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'null'],
      Authorization: null,
      Log: ['json-file', 'local', 'none'],
    },
    ...abilities,
    Runtimes: Object.fromEntries(
      [defaultRuntime, ...info.sizes.map(({ name }) => name)].map((name) => [name, { path: 'qemu' }]),
    ),
    SystemTime: rfc3339Nano(now),
    KernelVersion: info.kernelVersion,
    OperatingSystem: info.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture:
      hostArchitecture === 'amd64' ? 'x86_64' : process.arch === 'arm64' ? 'aarch64' : process.arch,
    NCPU: info.cpus,
    MemTotal: info.memoryBytes,
    DockerRootDir: info.rootDir,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: info.name,
    Labels: [],
    ServerVersion: productVersion,
    Warnings: info.warnings.length > 0 ? info.warnings : null,
  }
}

const sizeLines = (info: SystemInfo): [string, string][] =>
  info.sizes.map(({ name, vcpus, memoryMiB }) => [`Size ${name}`, `${vcpus} CPU, ${memoryMiB} MiB`])

/** What the microVM's kernel gives every container, and what a swarm-less daemon says of swarms. */
const abilities = {
  MemoryLimit: true,
  SwapLimit: false,
  KernelMemory: false,
  KernelMemoryTCP: false,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: false,
  PidsLimit: true,
  OomKillDisable: false,
  IPv4Forwarding: true,
  BridgeNfIptables: false,
  BridgeNfIp6tables: false,
  Debug: false,
  NFd: 0,
  NGoroutines: 0,
  NEventsListener: 0,
  LoggingDriver: 'json-file',
  CgroupDriver: 'cgroupfs',
  CgroupVersion: '2',
  IndexServerAddress: 'https://index.docker.io/v1/',
  RegistryConfig: {
    AllowNondistributableArtifactsCIDRs: [],
    AllowNondistributableArtifactsHostnames: [],
    InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128'],
    IndexConfigs: { 'docker.io': { Name: 'docker.io', Mirrors: [], Secure: true, Official: true } },
    Mirrors: [],
  },
  GenericResources: null,
  ExperimentalBuild: false,
  DefaultRuntime: defaultRuntime,
  Swarm: {
    NodeID: '',
    NodeAddr: '',
    LocalNodeState: 'inactive',
    ControlAvailable: false,
    Error: '',
    RemoteManagers: null,
  },
  LiveRestoreEnabled: true,
  Isolation: '',
  InitBinary: 'hummingbird-init',
  ContainerdCommit: { ID: '', Expected: '' },
  RuncCommit: { ID: '', Expected: '' },
  InitCommit: { ID: '', Expected: '' },
  SecurityOptions: ['name=microvm'],
  DefaultAddressPools: [],
  CDISpecDirs: [],
}
