/**
 * The engine's words: what a container is, what is asked of it, and what is told of it. In Docker's terms where Docker
 * has one; no HTTP, no JSON of the API.
 */

import type { Port, PublishedPort } from './ports/network.ts'
import type { GuestRlimit, SandboxHandle } from './ports/sandbox.ts'

export interface LogConfig {
  readonly driver: 'json-file' | 'local' | 'none'
  readonly options: Readonly<Record<string, string>>
}

export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'on-failure' | 'unless-stopped'
  readonly maximumRetries: number
}

/** Docker's: `test` is `NONE`, `CMD` and words, or `CMD-SHELL` and a line. 0 and []: not said. */
export interface HealthCheckRequest {
  readonly test: readonly string[]
  readonly intervalNs: number
  readonly timeoutNs: number
  readonly startPeriodNs: number
  /** Between probes in the start period. */
  readonly startIntervalNs: number
  readonly retries: number
}

/** After the image's defaults. */
export interface HealthCheck extends HealthCheckRequest {
  /** What a `CMD-SHELL` line is handed to. */
  readonly shell: readonly string[]
}

/** A volume at a place of a container, as it is asked for. */
export interface MountRequest {
  /** In a container, absolute and clean. */
  readonly destination: string
  /** By name; undefined: one of its own, that nobody named. */
  readonly volume?: string
  readonly readOnly: boolean
  /** An empty volume stays so, whatever the image has there. */
  readonly noCopy: boolean
  /** A directory of the volume, relative and clean. */
  readonly subpath?: string
  /** Of the volume, when it has to be made; '': the built-in one. */
  readonly driver: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  /** As inspect tells it: `z`, `ro`, … */
  readonly mode: string
}

/** A volume at a place of a container. */
export interface ContainerMount extends Omit<MountRequest, 'volume' | 'driver' | 'labels' | 'options'> {
  /** Its id. */
  readonly volume: string
  readonly name: string
  /** Made for this place: it goes with the container, when that is asked for. */
  readonly anonymous: boolean
}

/** A network that a container is to be in whenever it runs. */
export interface NetworkAttachment {
  /** Its id; `default` is the project's default network, whatever its id, and `none` none at all. */
  readonly network: string
  /** By which it is told, and found if it was made again. */
  readonly name: string
  /** Names of the container in this network, besides its own. */
  readonly aliases: readonly string[]
  /** `container:alias`: names that it alone has for others. */
  readonly links: readonly string[]
  /** The highest leads out. */
  readonly gatewayPriority: number
  /** Asked for, else chosen. */
  readonly ipv4?: string
  readonly mac?: string
}

/** A port of a container that runs, and which of its cards has it. */
export interface ContainerPort extends Port {
  /** 0 is the card that its sandbox was made with. */
  readonly slot: number
  /** `eth0`, … */
  readonly interface: string
  /** The default route goes through it, and what is published is published on it. */
  readonly leadsOut: boolean
  /** What its container's /etc/resolv.conf says since it started; '' when that is none of ours. */
  readonly asks4: string
}

/** A request to make a container, before the image has had its say. undefined: not asked for. */
export interface ContainerRequest {
  readonly name?: string
  readonly image: string
  readonly cmd?: readonly string[]
  /** [] clears the image's. */
  readonly entrypoint?: readonly string[]
  readonly env: readonly string[]
  readonly workingDir?: string
  readonly user?: string
  readonly hostname?: string
  readonly domainname?: string
  readonly labels: Readonly<Record<string, string>>
  readonly tty: boolean
  /** Of the terminal when the process starts; clients resize it later. */
  readonly consoleSize?: { readonly rows: number; readonly columns: number }
  readonly openStdin: boolean
  readonly stdinOnce: boolean
  readonly attach: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  readonly stopSignal?: string
  readonly stopTimeoutSeconds?: number
  readonly healthcheck?: HealthCheckRequest
  readonly exposedPorts: readonly string[]
  readonly publish: readonly PublishedPort[]
  /** Publish every exposed port on a free host port (-P). */
  readonly publishAll: boolean
  readonly autoRemove: boolean
  readonly restartPolicy: RestartPolicy
  readonly logConfig: LogConfig
  /** The networks it is to be in, `eth0` first. */
  readonly attachments: readonly NetworkAttachment[]
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  /** `name:address`. */
  readonly extraHosts: readonly string[]
  /** 0: as the size has. */
  readonly memoryBytes: number
  /** In billionths of a CPU; 0: as the size has. */
  readonly nanoCpus: number
  readonly cpuQuotaUs: number
  readonly cpuPeriodUs: number
  readonly cpuShares: number
  readonly pidsLimit: number
  /** A size by name; else the smallest that fits, or the default one. */
  readonly size?: string
  readonly mounts: readonly MountRequest[]
  /** Places that get a volume of their own where nothing else is mounted. */
  readonly anonymousVolumes: readonly string[]
  /** Of those. */
  readonly volumeDriver: string
  /** Containers whose mounts it is to have too. */
  readonly volumesFrom: readonly { readonly container: string; readonly readOnly: boolean }[]
  /** path → mount options. */
  readonly tmpfs: Readonly<Record<string, string>>
  readonly readonlyRoot: boolean
  readonly privileged: boolean
  readonly capAdd: readonly string[]
  readonly capDrop: readonly string[]
  readonly groupAdd: readonly string[]
  readonly noNewPrivileges: boolean
  readonly ulimits: readonly GuestRlimit[]
  readonly init: boolean
  readonly shmBytes: number
  readonly oomScoreAdj: number
  readonly sysctls: Readonly<Record<string, string>>
  /** undefined: Docker's own lists; [] none. */
  readonly maskedPaths?: readonly string[]
  readonly readonlyPaths?: readonly string[]
  /** What the front door wants back with the container, unread by the engine: JSON. */
  readonly frontend: unknown
}

/** What a container is made of, after the image's defaults: never changes, but by rename and update. */
export interface ContainerSpec
  extends Omit<
    ContainerRequest,
    | (
        | 'cmd'
        | 'entrypoint'
        | 'workingDir'
        | 'user'
        | 'hostname'
        | 'stopSignal'
        | 'healthcheck'
        | 'name'
        | 'size'
      )
    | ('mounts' | 'anonymousVolumes' | 'volumesFrom' | 'volumeDriver')
  > {
  readonly image: string
  readonly imageId: string
  readonly cmd: readonly string[] | null
  readonly entrypoint: readonly string[] | null
  readonly workingDir: string
  readonly user: string
  readonly hostname: string
  readonly stopSignal: string
  readonly healthcheck?: HealthCheck
  readonly size: string
  /** Volumes the image declares. */
  readonly volumes: readonly string[]
  readonly mounts: readonly ContainerMount[]
}

/** What may be changed of a container that is there; what is not named stays. */
export interface ContainerChange
  extends Partial<
    Pick<
      ContainerSpec,
      'restartPolicy' | 'memoryBytes' | 'nanoCpus' | 'cpuQuotaUs' | 'cpuPeriodUs' | 'cpuShares' | 'pidsLimit'
    >
  > {
  /** From what the front door wanted back to what it wants back now. */
  readonly frontend: (before: unknown) => unknown
}

/** See lifecycle.ts for the arrows between them. */
export type ContainerStatus =
  | 'created'
  | 'starting'
  | 'running'
  | 'paused'
  | 'stopping'
  | 'restarting'
  | 'exited'
  | 'removing'
  | 'dead'

export interface ProbeResult {
  readonly start: Date
  readonly end: Date
  /** -1: it could not be started, or did not end in time. */
  readonly exitCode: number
  readonly output: string
}

export interface ContainerHealth {
  readonly status: 'starting' | 'healthy' | 'unhealthy'
  /** Failures in a row. */
  readonly failingStreak: number
  /** The last probes, oldest first. */
  readonly log: readonly ProbeResult[]
}

/** A stop that was asked for. Stored before the process hears of it. */
export interface StopWish {
  readonly signal: number
  /** The process has been sent it. */
  readonly signalled: boolean
  /** When patience ends; null: never. */
  readonly killAt: Date | null
  /** It is to be started again afterwards. */
  readonly restart: boolean
}

export interface ContainerState {
  readonly status: ContainerStatus
  readonly exitCode: number
  readonly oomKilled: boolean
  /** Why it did not start, or what ended it. */
  readonly error: string
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly restartCount: number
  /** Set when a user wants it to end, before it is told so: the restart policy minds it. */
  readonly stoppedByUser: boolean
  /** While it is being stopped: what the next daemon has to finish. */
  readonly stop: StopWish | null
  /** In the guest; 0 when not running. */
  readonly pid: number
  /** null: nobody checks it, or it has never run. */
  readonly health: ContainerHealth | null
}

export interface Container {
  readonly id: string
  readonly project: string
  /** Without a slash; unique in its project. */
  readonly name: string
  readonly createdAt: Date
  readonly spec: ContainerSpec
  readonly state: ContainerState
  readonly sandbox: SandboxHandle | null
  readonly ports: readonly ContainerPort[]
}

export interface ExecRequest {
  readonly cmd: readonly string[]
  readonly env: readonly string[]
  readonly user: string
  readonly workingDir: string
  readonly tty: boolean
  readonly privileged: boolean
  readonly attach: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  /** Docker's text form, `ctrl-p,ctrl-q`. */
  readonly detachKeys: string
}

export interface Exec {
  readonly id: string
  readonly container: string
  readonly request: ExecRequest
  readonly status: 'created' | 'running' | 'exited'
  readonly exitCode: number | null
  /** In the guest; 0 before it runs. */
  readonly pid: number
}

export interface EngineEvent {
  readonly project: string
  readonly type: 'container' | 'image' | 'network' | 'volume' | 'daemon'
  /** `create`, `start`, `die`, `exec_create: true`, … as Docker's. */
  readonly action: string
  readonly actor: { readonly id: string; readonly attributes: Readonly<Record<string, string>> }
  /** Nanoseconds since 1970. */
  readonly timeNano: bigint
}

export interface LogsQuery {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  /** Lines from the end; 'all'. */
  readonly tail: number | 'all'
  readonly sinceNano: bigint | null
  readonly untilNano: bigint | null
  /** Split into lines with the time of each; else chunks as they came. */
  readonly lines: boolean
}

/** A piece of output: with `lines` one line with its end, else any number of bytes. */
export interface LogChunk {
  readonly stream: 'stdout' | 'stderr'
  readonly timeNano: bigint
  readonly data: Buffer
}

/** What an attached client is given: a pull of output and a push of input. */
export interface AttachSession {
  /** Ends when the process's output has. Pulled at the client's pace. */
  readonly output: AsyncIterable<LogChunk>
  writeStdin(chunk: Buffer): Promise<void>
  /** The client closed its side: reaches the process if it was opened so. */
  endStdin(): Promise<void>
  /** The client is gone. */
  close(): void
}
