/**
 * What the Docker front door needs of the cloud behind it, split by capability. Every call carries the project that
 * asks; an object of another project does not exist. `ref`: a name, with or without its slash, an id, or a unique
 * prefix of an id; rejects with kind `not_found` (`No such container: REF`) or `invalid` (ambiguous prefix), in dockerd's words.
 */
import type { Readable } from 'node:stream'
import type { BuildStep } from '../../build/ports.ts'
import type { BuildOptions, BuildRequest } from '../../build/request.ts'
import type { ContainerArchive, ContainerPathStat, ExtractOptions } from '../../engine/files/archive.ts'
import type { CommitOptions } from '../../engine/files/commit.ts'
import type {
  AttachSession,
  Container,
  ContainerChange,
  ContainerRequest,
  EngineEvent,
  Exec,
  ExecRequest,
  LogChunk,
  LogsQuery,
  NetworkAttachment,
} from '../../engine/model.ts'
import type { FileChange } from '../../engine/ports/files.ts'
import type { ImageConfig } from '../../engine/ports/images.ts'
import type { NetworkRequest, NetworkView } from '../../engine/ports/network.ts'
import type { ContainerStats, ContainerTask } from '../../engine/ports/sandbox.ts'

export interface Scope {
  readonly project: string
}

export interface StateBackend {
  /** Rejects with kind `not_found` (image), `conflict` (`Conflict. The container name "/x" is already in use by container "ID". You have to …`), `invalid`. */
  create(
    scope: Scope,
    request: ContainerRequest,
  ): Promise<{ container: Container; warnings: readonly string[] }>
  /** `not_modified` when it runs already. A process that cannot be started: kind `invalid`, codes `not_executable` (126), `not_found_in_image` (127), dockerd's words. */
  start(scope: Scope, ref: string): Promise<void>
  /** Signal, wait, SIGKILL. `not_modified` when it does not run. undefined: the container's own time-out; -1: for ever. */
  stop(scope: Scope, ref: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>
  restart(scope: Scope, ref: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>
  /** `conflict` (`Container X is not running`), `invalid` (`Invalid signal: X`). */
  kill(scope: Scope, ref: string, signal: string): Promise<void>
  pause(scope: Scope, ref: string): Promise<void>
  unpause(scope: Scope, ref: string): Promise<void>
  rename(scope: Scope, ref: string, name: string): Promise<void>
  /** Of one that runs at once. `invalid` when its size has less than is asked for, `conflict` in dockerd's words. */
  update(scope: Scope, ref: string, change: ContainerChange): Promise<void>
  remove(scope: Scope, ref: string, options: { force: boolean; volumes: boolean }): Promise<void>
  resize(scope: Scope, ref: string, rows: number, columns: number): Promise<void>
  /**
   * Resolves at once with a promise: the outcome. `not-running` answers at once for one that does not run; `next-exit`
   * waits for the next exit from now on; `removed` until it is gone. Registered before this resolves.
   */
  wait(
    scope: Scope,
    ref: string,
    condition: 'not-running' | 'next-exit' | 'removed',
    options: { signal: AbortSignal },
  ): Promise<{ outcome: Promise<{ exitCode: number; error: string }> }>
}

export interface ReadBackend {
  get(scope: Scope, ref: string): Promise<Container>
  /** Newest first. */
  list(scope: Scope): Promise<readonly Container[]>
  logs(
    scope: Scope,
    ref: string,
    query: LogsQuery,
    options: { signal: AbortSignal },
  ): Promise<AsyncIterable<LogChunk>>
  stats(scope: Scope, ref: string): Promise<ContainerStats>
  tasks(scope: Scope, ref: string): Promise<readonly ContainerTask[]>
  /** Bytes: of the writable layer, and of the image. */
  sizes(scope: Scope, ref: string): Promise<{ writable: number; root: number }>
  /** Ids of the execs that a container has, for inspect. */
  execIds(scope: Scope, ref: string): Promise<readonly string[]>
}

export interface AttachBackend {
  /**
   * `logs`: what was output so far comes first. Attached before it resolves, so that nothing of a container that is
   * started next is missed.
   */
  attach(
    scope: Scope,
    ref: string,
    options: { stdin: boolean; stdout: boolean; stderr: boolean; logs: boolean; stream: boolean },
  ): Promise<AttachSession>
}

export interface ExecBackend {
  createExec(scope: Scope, ref: string, request: ExecRequest): Promise<Exec>
  getExec(scope: Scope, id: string): Promise<Exec>
  /** Starts it; the session's output ends when the process has exited. Rejects as `start` does. */
  startExec(
    scope: Scope,
    id: string,
    options: { size?: { rows: number; columns: number } },
  ): Promise<AttachSession>
  startExecDetached(scope: Scope, id: string): Promise<void>
  resizeExec(scope: Scope, id: string, rows: number, columns: number): Promise<void>
}

export interface FilesBackend {
  /** Rejects with kind `not_found` (`Could not find the file PATH in container REF`). */
  statPath(scope: Scope, ref: string, path: string): Promise<ContainerPathStat>
  /** A tar of what is at the path, to be disposed of. */
  readArchive(scope: Scope, ref: string, path: string): Promise<ContainerArchive>
  /** A tar, compressed or not, is unpacked in a directory. Rejects with kind `invalid` what would lead out of it. */
  extractArchive(
    scope: Scope,
    ref: string,
    source: AsyncIterable<Buffer>,
    options: ExtractOptions,
  ): Promise<void>
  /** Over the image. */
  changes(scope: Scope, ref: string): AsyncIterable<FileChange>
  /** A tar of all files but those of mounts, to be disposed of. */
  export(scope: Scope, ref: string): Promise<AsyncDisposable & { readonly content: AsyncIterable<Buffer> }>
  /** Makes an image of the container; answers its id. */
  commit(scope: Scope, ref: string, options: CommitOptions): Promise<string>
}

export interface ContainersBackend
  extends StateBackend,
    ReadBackend,
    AttachBackend,
    ExecBackend,
    FilesBackend {
  /** Removes every stopped container that `matches`; answers ids and the bytes given back. */
  prune(
    scope: Scope,
    matches: (container: Container) => boolean,
  ): Promise<{ ids: readonly string[]; bytes: number }>
}

export interface ImageSummary {
  readonly id: string
  /** `nginx:latest`, familiar form. */
  readonly tags: readonly string[]
  /** `nginx@sha256:…`. */
  readonly digests: readonly string[]
  readonly createdAt: Date
  /** Bytes, uncompressed. */
  readonly size: number
  readonly labels: Readonly<Record<string, string>>
}

export interface ListedImage extends ImageSummary {
  /** Id of the image that it was made of here, if that is still there; else ''. */
  readonly parent: string
  /** Others were made of it: without a name, it is a step of a build. */
  readonly hasChildren: boolean
}

export interface ImageDetails extends ImageSummary {
  readonly config: ImageConfig
  readonly architecture: string
  readonly os: string
  readonly variant: string
  /** Id of the image that it was made of here, if that is still there; else ''. */
  readonly parent: string
  readonly author: string
  readonly comment: string
  readonly dockerVersion: string
  /** Digests of the uncompressed layers, lowest first. */
  readonly layers: readonly string[]
  readonly lastTaggedAt: Date | null
  readonly history: readonly {
    readonly createdAt: Date | null
    readonly createdBy: string
    readonly comment: string
    /** Bytes of the layer, 0 for an empty one. */
    readonly size: number
    readonly empty: boolean
  }[]
}

/** One line of Docker's own progress stream: `{status, id?, progressDetail?: {current?, total?}, progress?}`, `{stream}`, `{errorDetail, error}`. */
export type ProgressLine = Readonly<Record<string, unknown>>

export interface RegistryCredentials {
  readonly username?: string
  readonly password?: string
  readonly identityToken?: string
  readonly registryToken?: string
  readonly serverAddress?: string
}

export interface ImagesUsage {
  readonly bytes: number
  /** By id; `shared`: of what another image uses too. */
  readonly images: ReadonlyMap<string, { readonly bytes: number; readonly shared: number }>
}

export interface DistributionDetails {
  readonly mediaType: string
  readonly digest: string
  readonly bytes: number
  readonly platforms: readonly {
    readonly os: string
    readonly architecture: string
    readonly variant?: string | undefined
  }[]
}

export interface ImagesBackend {
  list(scope: Scope): Promise<readonly ListedImage[]>
  get(scope: Scope, ref: string): Promise<ImageDetails>
  /**
   * Pulls `reference` (with a tag or digest; `allTags`: every tag) and tells of it line by line in dockerd's words. What
   * fails before the first line rejects; what fails later is thrown by `progress` too, and nothing is left half-made.
   */
  pull(
    scope: Scope,
    reference: string,
    options: {
      credentials?: RegistryCredentials
      platform?: string
      allTags?: boolean
      progress: (line: ProgressLine) => void
      signal: AbortSignal
    },
  ): Promise<void>
  /** What its registry has under a name, without pulling it. Rejects as `pull` does. */
  inspectDistribution(
    scope: Scope,
    reference: string,
    options: { credentials?: RegistryCredentials; signal: AbortSignal },
  ): Promise<DistributionDetails>
  push(
    scope: Scope,
    reference: string,
    options: {
      credentials?: RegistryCredentials
      progress: (line: ProgressLine) => void
      signal: AbortSignal
    },
  ): Promise<void>
  /** A root file system as a tar (plain, gzip, zstd, xz refused) becomes an image of one layer; `changes` as Dockerfile lines. Answers its id. */
  import(
    scope: Scope,
    source: Readable,
    options: { reference?: string; message: string; changes: readonly string[]; signal: AbortSignal },
  ): Promise<string>
  /** Archives of `docker save` and OCI layouts. */
  load(
    scope: Scope,
    source: Readable,
    options: { progress: (line: ProgressLine) => void; signal: AbortSignal },
  ): Promise<void>
  /** A `docker save` archive, readable by every docker and as an OCI layout. */
  save(scope: Scope, refs: readonly string[]): Promise<Readable>
  tag(scope: Scope, ref: string, target: string): Promise<void>
  /**
   * Docker's rules: a tag is taken away, the image goes with its last. `conflict` in dockerd's words when containers use
   * it (asked through `usedBy`). Answers what was done, in order.
   */
  remove(
    scope: Scope,
    ref: string,
    options: {
      force: boolean
      /** Images without a name that it was made of go with it, unless this is set. */
      keepParents?: boolean
      usedBy: (imageId: string) => readonly { id: string; running: boolean }[]
    },
  ): Promise<readonly ({ untagged: string } | { deleted: string })[]>
  prune(
    scope: Scope,
    options: {
      danglingOnly: boolean
      used: (imageId: string) => boolean
      matches: (image: ImageSummary) => boolean
    },
  ): Promise<{ removed: readonly ({ untagged: string } | { deleted: string })[]; bytes: number }>
  /** Checks a log-in against a registry; answers its status text. */
  login(
    credentials: RegistryCredentials & { serverAddress: string },
  ): Promise<{ status: string; identityToken: string }>
  /** Bytes on disk of all layers and block images the project uses. */
  usage(scope: Scope): Promise<ImagesUsage>
}

export interface BuildsBackend {
  /**
   * Builds an image of a tar, compressed or not. Rejects with kind `invalid` what cannot be built before anything is told;
   * a command that failed with code `build_command_failed` and its exit code in `details.exitCode`.
   */
  build(scope: Scope, request: BuildRequest, source: Readable, options: BuildOptions): Promise<void>
  /** Of a build that is not there, nothing. */
  cancel(scope: Scope, id: string): void
  /** Those that would be used again. */
  steps(scope: Scope): Promise<readonly BuildStep[]>
  /** Forgets steps; answers the images that they made, which stay. */
  prune(scope: Scope, picks: (step: BuildStep) => boolean): Promise<readonly string[]>
}

export interface EventsBackend {
  /** Past ones from `sinceNano`, then live ones until `untilNano` or the signal. */
  subscribe(
    scope: Scope,
    options: { sinceNano: bigint | null; untilNano: bigint | null; signal: AbortSignal },
  ): AsyncIterable<EngineEvent>
}

export interface SystemBackend {
  info(scope: Scope): Promise<{
    readonly id: string
    readonly name: string
    readonly hypervisor: string
    readonly accelerator: 'kvm' | 'tcg'
    readonly warnings: readonly string[]
    readonly rootDir: string
    readonly kernelVersion: string
    readonly operatingSystem: string
    readonly cpus: number
    readonly memoryBytes: number
    readonly sizes: readonly { readonly name: string; readonly vcpus: number; readonly memoryMiB: number }[]
  }>
}

export interface VolumeView {
  readonly name: string
  readonly driver: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  readonly sizeBytes: number
  readonly createdAt: Date
  /** Nobody chose its name. */
  readonly anonymous: boolean
  /** Ids of the containers that name it, also of those that do not run. */
  readonly containers: readonly string[]
  /** Containers that have it now. */
  readonly attachments: readonly { readonly id: string; readonly name: string; readonly readOnly: boolean }[]
}

export interface VolumeSnapshotView {
  readonly volume: string
  readonly name: string
  readonly sizeBytes: number
  readonly createdAt: Date
}

/** One that does not exist: kind `not_found`, `get NAME: no such volume`. */
export interface VolumesBackend {
  /** One of that name that is there already is answered as it is. `invalid` and `not_found` (driver) in dockerd's words. */
  create(
    scope: Scope,
    request: {
      readonly name?: string
      readonly driver: string
      readonly labels: Readonly<Record<string, string>>
      readonly options: Readonly<Record<string, string>>
    },
  ): Promise<VolumeView>
  get(scope: Scope, name: string): Promise<VolumeView>
  /** Oldest first. */
  list(scope: Scope): Promise<readonly VolumeView[]>
  /** `conflict` (`remove NAME: volume is in use - [ID]`). */
  remove(scope: Scope, name: string): Promise<void>
  /** Of those that no container names. */
  prune(
    scope: Scope,
    matches: (volume: Pick<VolumeView, 'name' | 'labels' | 'anonymous'>) => boolean,
  ): Promise<{ names: readonly string[]; bytes: number }>
  /** Of the host's disk. */
  usedBytes(scope: Scope, name: string): Promise<number>
  /** `invalid` when it would be smaller, or larger than may be. */
  grow(scope: Scope, name: string, sizeBytes: number): Promise<VolumeView>
  /** Of all volumes, also of those that are gone, unless it is said of which. */
  snapshots(scope: Scope, volume?: string): Promise<readonly VolumeSnapshotView[]>
  snapshotUsedBytes(scope: Scope, volume: string, name: string): Promise<number>
  snapshot(scope: Scope, volume: string, name: string): Promise<VolumeSnapshotView>
  removeSnapshot(scope: Scope, volume: string, name: string): Promise<void>
  /** `conflict` while it is attached. */
  restore(scope: Scope, name: string, snapshot: string): Promise<void>
  clone(
    scope: Scope,
    name: string,
    target: { readonly name: string; readonly snapshot?: string },
  ): Promise<VolumeView>
}

/** What a container request has to know of a network. */
export type NetworkSummary = Pick<NetworkView, 'id' | 'name' | 'isDefault' | 'hasOwnSubnet'>

export interface NetworksBackend {
  /** In the order they were made. */
  list(scope: Scope): Promise<readonly NetworkView[]>
  /** By id, name, or the beginning of an id; rejects with kind `not_found` (`network X not found`). */
  get(scope: Scope, ref: string): Promise<NetworkView>
  /** `conflict` when the name is taken, `forbidden` when subnets overlap, `invalid`; in dockerd's words. */
  create(scope: Scope, request: Omit<NetworkRequest, 'project'>): Promise<NetworkView>
  /** `forbidden` while containers are in it, and of the default one. */
  remove(scope: Scope, ref: string): Promise<void>
  /** Removes all that `matches` and no container is in; answers their names. */
  prune(scope: Scope, matches: (network: NetworkView) => boolean): Promise<readonly string[]>
  /** Of a container that runs at once, of any for its next start. */
  connect(
    scope: Scope,
    ref: string,
    container: string,
    attachment: Omit<NetworkAttachment, 'network' | 'name'>,
  ): Promise<void>
  disconnect(scope: Scope, ref: string, container: string): Promise<void>
  /** Those that have a port in it now. */
  containersIn(scope: Scope, id: string): Promise<readonly Container[]>
}

export interface Backends {
  readonly networks: NetworksBackend
  readonly volumes: VolumesBackend
  readonly containers: ContainersBackend
  readonly images: ImagesBackend
  readonly builds: BuildsBackend
  readonly events: EventsBackend
  readonly system: SystemBackend
}
