/**
 * What the engine needs of microVMs. A sandbox is claimed (from a pool of clones, or cloned on the spot),
 * configured, given containers, and ended; it outlives the daemon and is adopted by the next one.
 *
 *     const sandbox = await provider.claim({ id, size, network, image, scratch, volumes }, { signal })
 *     await sandbox.configure({ hostname, interfaces })      // entropy, clock and MAC are renewed here
 *     await sandbox.createContainer({ id, … })
 *     const process = await sandbox.startProcess({ id: 1, container, main: true, args, … }, output)
 *     const exit = await process.exited                      // after its output was drained
 *     await sandbox.shutdown()
 *
 * The three steps may be issued without awaiting one another; the guest carries them out in order.
 */

import type { SandboxFiles } from './files.ts'

export interface SandboxSize {
  readonly name: string
  readonly vcpus: number
  readonly memoryMiB: number
}

/** A virtual network card: a tap in a network's namespace. Made ahead of demand, addressed at the claim. */
export interface Nic {
  readonly network: string
  /** Path of the network namespace, as under /run/netns. */
  readonly netns: string
  readonly tap: string
}

/** How the sandbox provider gets cards for clones that it starts ahead of demand. */
export interface NicSource {
  create(network: string): Promise<Nic>
  delete(nic: Nic): Promise<void>
}

/** A raw disk with an ext4, made by the host, whose files are below `/_data`. */
export interface SandboxVolume {
  readonly path: string
  readonly readOnly: boolean
}

export interface ClaimRequest {
  /** 64 hex characters; names the runtime directory, the QEMU process and its sockets. */
  readonly id: string
  readonly size: SandboxSize
  /** null: no network at all. */
  readonly network: string | null
  /** Path of the read-only block image. */
  readonly image: string
  /**
   * The writable disk. `fresh`: a new file system is put at `path`, which may not exist; else `path` is the disk of
   * an earlier run.
   */
  readonly scratch: { readonly path: string; readonly fresh: boolean }
  /** Rejects with kind `invalid`, code `too_many_volumes`, beyond what a sandbox has slots for. */
  readonly volumes: readonly SandboxVolume[]
}

/** Everything the next daemon needs to find the sandbox again; JSON, stored by the engine. */
export interface SandboxHandle {
  readonly id: string
  readonly pid: number
  /** Field 22 of /proc/PID/stat: a pid alone may have been used again. */
  readonly pidStartTicks: number
  readonly directory: string
  readonly size: SandboxSize
  readonly nic: Nic | null
  /** Which disk of the guest holds the writable layer. */
  readonly scratchDisk: 'scratch' | 'kept'
  /** In the order of the claim; `disk` is what the guest calls it. Absent of sandboxes of earlier daemons. */
  readonly volumes?: readonly AttachedVolume[]
  /** Further cards by slot, from 1. What `attachNic` and `detachNic` change is kept here by the engine. */
  readonly nics?: Readonly<Record<number, Nic>>
}

export interface AttachedVolume extends SandboxVolume {
  readonly disk: string
}

export interface SandboxInterface {
  readonly name: string
  readonly mac: string
  readonly mtu: number
  /** CIDR, v4 or v6. */
  readonly addresses: readonly string[]
  readonly gateways: readonly string[]
}

export interface SandboxConfiguration {
  readonly hostname: string
  readonly interfaces: readonly SandboxInterface[]
  readonly sysctls: Readonly<Record<string, string>>
}

export interface GuestFile {
  readonly path: string
  readonly mode: number
  readonly content: string
}

export interface GuestTmpfs {
  readonly path: string
  /** As for `mount -o`: `rw,noexec,nosuid,size=65536k,mode=1777`. */
  readonly options: string
}

/** A directory of a volume, as a mount of the container. */
export interface GuestMount {
  /** As in `SandboxHandle.volumes`. */
  readonly disk: string
  /** Inside the disk: `/_data`, or what is below it. */
  readonly sourcePath: string
  /** Inside the container. */
  readonly path: string
  readonly readOnly: boolean
  readonly noSuid?: boolean
  readonly noDev?: boolean
  readonly noExec?: boolean
  /** When it is empty it is first given what the image has at `path`. */
  readonly copyUp: boolean
}

export interface GuestLimits {
  /** 0: as much as the sandbox has. */
  readonly memoryBytes: number
  /** 0: no limit. */
  readonly cpuQuotaUs: number
  readonly cpuPeriodUs: number
  /** cgroup v2 weight, 1 to 10,000; 0: the default. */
  readonly cpuWeight: number
  /** 0: no limit. */
  readonly pids: number
}

export interface GuestContainer {
  readonly id: string
  readonly hostname: string
  readonly domainname: string
  readonly readonlyRoot: boolean
  readonly privileged: boolean
  readonly files: readonly GuestFile[]
  readonly tmpfs: readonly GuestTmpfs[]
  /** In any order: what is inside another is mounted after it. */
  readonly mounts: readonly GuestMount[]
  readonly maskedPaths: readonly string[]
  readonly readonlyPaths: readonly string[]
  readonly shmBytes: number
  readonly limits: GuestLimits
  readonly sysctls: Readonly<Record<string, string>>
}

export interface GuestRlimit {
  /** `nofile`, `core`, … as in Docker's --ulimit. */
  readonly name: string
  readonly soft: number
  readonly hard: number
}

export interface GuestProcessSpec {
  /** Unique in the sandbox; 1 is the main process of its first container. */
  readonly id: number
  readonly container: string
  readonly main: boolean
  readonly init: boolean
  readonly tty: boolean
  readonly stdin: boolean
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly user: string
  readonly groups: readonly string[]
  /** Names as `CAP_NET_RAW`. */
  readonly capabilities: {
    readonly bounding: readonly string[]
    readonly effective: readonly string[]
    readonly inheritable: readonly string[]
    readonly ambient: readonly string[]
  }
  readonly noNewPrivileges: boolean
  readonly rlimits: readonly GuestRlimit[]
  readonly size?: { readonly rows: number; readonly columns: number }
  readonly oomScoreAdj: number
}

export type OutputStream = 'stdout' | 'stderr'

/**
 * Where a process's output goes. The guest is told that it may forget bytes, and send more, only when `write` has
 * resolved; so a slow writer slows the process and nothing grows.
 */
export interface ProcessOutput {
  /** `offset`: position of the chunk's first byte in the stream since the process began. */
  write(stream: OutputStream, chunk: Buffer, offset: number): void | Promise<void>
}

export interface ProcessExit {
  /** 0 to 255; 128 + signal when killed by one. */
  readonly code: number
  readonly signal: number
  readonly oomKilled: boolean
  readonly at: Date
}

export interface GuestProcess {
  readonly id: number
  /** In the guest. */
  readonly pid: number
  /**
   * Resolves after the output has been drained (or 2 s after the exit when a child of it keeps the streams open,
   * as dockerd). Rejects with code `sandbox_gone` when the sandbox ended first.
   */
  readonly exited: Promise<ProcessExit>
  /** Resolves when the guest has taken the bytes; rejects with code `process_exited` when nobody will read them. */
  writeStdin(chunk: Buffer): Promise<void>
  endStdin(): Promise<void>
  resize(rows: number, columns: number): Promise<void>
  /** `all`: every process of the container. Rejects with code `process_exited`. */
  signal(signal: number, options?: { all?: boolean }): Promise<void>
  /** The guest may drop what it keeps of the exited process. */
  forget(): Promise<void>
}

/** Thrown by startProcess as kind `invalid`, code `start_failed`. */
export interface StartFailure {
  readonly stage: 'user' | 'cwd' | 'exec' | 'setup'
  /** Linux errno, by name: `ENOENT`. */
  readonly errno: string
}

export interface AdoptedProcess {
  readonly id: number
  readonly container: string
  readonly main: boolean
  readonly tty: boolean
  /** Output before this was acknowledged by an earlier daemon and is gone. */
  readonly acked: { readonly stdout: number; readonly stderr: number }
}

export interface ContainerStats {
  readonly at: Date
  readonly cpu: {
    readonly totalNs: number
    readonly userNs: number
    readonly systemNs: number
    /** Time that passed, times the CPUs: the denominator. Only differences mean something. */
    readonly sandboxNs: number
    readonly online: number
    readonly periods: number
    readonly throttledPeriods: number
    readonly throttledNs: number
  }
  readonly memory: {
    readonly usageBytes: number
    readonly limitBytes: number
    readonly stat: Readonly<Record<string, number>>
  }
  readonly pids: { readonly current: number; readonly limit: number }
  readonly io: {
    readonly readBytes: number
    readonly writeBytes: number
    readonly reads: number
    readonly writes: number
  }
  readonly interfaces: Readonly<
    Record<
      string,
      Readonly<
        Record<
          | 'rxBytes'
          | 'rxPackets'
          | 'rxErrors'
          | 'rxDropped'
          | 'txBytes'
          | 'txPackets'
          | 'txErrors'
          | 'txDropped',
          number
        >
      >
    >
  >
}

export interface ContainerTask {
  readonly pid: number
  readonly ppid: number
  readonly uid: number
  /** Seconds of CPU used. */
  readonly cpuSeconds: number
  readonly startedAt: Date
  readonly tty: string
  readonly state: string
  readonly rssKiB: number
  readonly vszKiB: number
  readonly command: string
  readonly name: string
}

/** Why the microVM is no more. */
export interface SandboxEnd {
  readonly reason: 'shutdown' | 'killed' | 'crashed'
  readonly at: Date
}

export interface Sandbox {
  readonly handle: SandboxHandle
  readonly ended: Promise<SandboxEnd>
  /** Of its containers, whether they have a process or not. */
  readonly files: SandboxFiles
  configure(configuration: SandboxConfiguration): Promise<void>
  createContainer(container: GuestContainer): Promise<void>
  /** Rejects with code `start_failed` and a StartFailure in `details`; the container stays without a process. */
  startProcess(process: GuestProcessSpec, output: ProcessOutput): Promise<GuestProcess>
  /** After `adopt`: the processes the guest knows, and taking one up again. `from`: how much output is already safe. */
  adoptable(): readonly AdoptedProcess[]
  adoptProcess(id: number, output: ProcessOutput, from: { stdout: number; stderr: number }): GuestProcess
  updateContainer(container: string, limits: GuestLimits): Promise<void>
  /** Every process of the container stands still from the answer on, and takes no signal but SIGKILL; the guest itself runs on. */
  freeze(container: string): Promise<void>
  /** They go on; also when they were not frozen. */
  thaw(container: string): Promise<void>
  stats(container: string): Promise<ContainerStats>
  tasks(container: string): Promise<readonly ContainerTask[]>
  /** Called when a process of a container was killed for memory while the container ran on. */
  onOom(listener: (container: string) => void): void
  /**
   * Writes what is in a volume now, as after a power cut, into the file at `targetPath`, which the caller has made; the guest
   * runs on. `disk`: as in `SandboxHandle.volumes`. The file is sparse where the volume is empty.
   */
  copyVolume(disk: string, targetPath: string): Promise<void>
  /** The caller has made its file `bytes` long: now the disk is, and the file system on it. */
  growVolume(disk: string, bytes: number): Promise<void>
  /**
   * Connects a further card, while it runs, to a tap that was made in the namespace of `handle.nic`; it may be moved to another
   * afterwards. Answers its slot, from 1. Rejects with kind `invalid`, code `too_many_networks`, when no slot is free.
   */
  attachNic(nic: Nic): Promise<number>
  /** Lets go of the tap, which the caller deletes. One that is not there is no error. */
  detachNic(slot: number): Promise<void>
  /** Names, addresses and brings up the card in a slot; 0 is the one that it was made with. */
  setInterface(slot: number, of: SandboxInterface): Promise<void>
  removeInterface(name: string): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
  /** Syncs, unmounts and powers off; kills QEMU when that takes longer than `deadlineMs` (default 5,000). */
  shutdown(options?: { deadlineMs?: number }): Promise<void>
  /** Ends QEMU now. */
  kill(): Promise<void>
}

export interface SandboxProvider {
  readonly accelerator: 'kvm' | 'tcg'
  /** What hypervisor this is, for `info`: name and version. */
  readonly version: string
  /** Rejects with kind `exhausted` when the host cannot hold another one, `cancelled` when the signal aborts; leaves nothing. */
  claim(request: ClaimRequest, options?: { signal?: AbortSignal }): Promise<Sandbox>
  /** Rejects with code `sandbox_gone` when its QEMU has ended. */
  adopt(handle: SandboxHandle): Promise<Sandbox>
  /** Ends every sandbox in the runtime directory that `keep` does not name (what a killed daemon left), with its cards. */
  sweep(keep: ReadonlySet<string>): Promise<void>
  /** Begins to keep clones ready. */
  fill(pools: readonly { size: SandboxSize; network: string; count: number }[]): void
  /** Ends the clones that nobody has claimed; claimed sandboxes run on. */
  close(): Promise<void>
}
