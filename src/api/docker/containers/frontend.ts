/**
 * What a client asked for, kept with the container (`frontend`) so that inspect echoes it as dockerd does: the original
 * JSON, unknown fields included, with Docker's defaults where nothing was said.
 */
import { z } from 'zod'
import { defaultNetworkNames } from './attachments.request.ts'
import type { CreateBody, HostConfig, UpdateBody } from './containers.schema.ts'
import { capabilityNames, defaultShmBytes } from './resources.request.ts'

type Json = Readonly<Record<string, unknown>>

export interface Frontend {
  readonly config: Json
  readonly hostConfig: Json
}

export const defaultRuntime = 'hummingbird'

export function echoOf(original: Json, body: CreateBody): Frontend {
  const { HostConfig: hostConfig, NetworkingConfig: _, ...config } = original
  return {
    config,
    hostConfig: echoHostConfig((hostConfig as Json | null | undefined) ?? {}, body.HostConfig),
  }
}

const stored = z.object({
  config: z.record(z.string(), z.unknown()),
  hostConfig: z.record(z.string(), z.unknown()),
})

/** A container that was made by other means than this API has none: Docker's defaults then. */
export function readFrontend(value: unknown): Frontend {
  const parsed = stored.safeParse(value)
  return parsed.success ? parsed.data : { config: {}, hostConfig: hostConfigDefaults }
}

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

const hostConfigDefaults: Json = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: 'json-file', Config: {} },
  NetworkMode: 'bridge',
  PortBindings: null,
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'private',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: defaultShmBytes,
  Runtime: defaultRuntime,
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  KernelMemory: 0,
  KernelMemoryTCP: 0,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: false,
  PidsLimit: null,
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: maskedPaths,
  ReadonlyPaths: readonlyPaths,
}

function echoHostConfig(original: Json, host: HostConfig): Json {
  const open = host.Privileged
  return {
    ...hostConfigDefaults,
    ...original,
    LogConfig: { Type: host.LogConfig?.Type || 'json-file', Config: host.LogConfig?.Config ?? {} },
    NetworkMode: defaultNetworkNames.includes(host.NetworkMode) ? 'bridge' : host.NetworkMode,
    RestartPolicy: {
      Name: host.RestartPolicy?.Name || 'no',
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    CapAdd: host.CapAdd.length > 0 ? capabilityNames(host.CapAdd, 'CapAdd') : null,
    CapDrop: host.CapDrop.length > 0 ? capabilityNames(host.CapDrop, 'CapDrop') : null,
    CgroupnsMode: host.CgroupnsMode || 'private',
    IpcMode: host.IpcMode || 'private',
    ShmSize: host.ShmSize || defaultShmBytes,
    Runtime: host.Runtime || defaultRuntime,
    MemorySwappiness: host.MemorySwappiness === -1 ? null : host.MemorySwappiness,
    OomKillDisable: false,
    PidsLimit: host.PidsLimit > 0 ? host.PidsLimit : null,
    MaskedPaths: host.MaskedPaths ?? (open ? null : maskedPaths),
    ReadonlyPaths: host.ReadonlyPaths ?? (open ? null : readonlyPaths),
  }
}

const updatable = [
  ...(['Memory', 'MemoryReservation', 'MemorySwap'] as const),
  ...(['NanoCpus', 'CpuShares', 'CpuPeriod', 'CpuQuota'] as const),
]

/** After an update: as dockerd, what is zero stays as it was. */
export function updatedEcho(before: unknown, body: UpdateBody): Frontend {
  const { config, hostConfig } = readFrontend(before)
  const { RestartPolicy: policy, PidsLimit: pids } = body
  return {
    config,
    hostConfig: {
      ...hostConfig,
      ...Object.fromEntries(updatable.filter((name) => body[name] !== 0).map((name) => [name, body[name]])),
      ...(pids === null ? {} : { PidsLimit: Math.max(pids, 0) }),
      ...(policy?.Name
        ? { RestartPolicy: { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount } }
        : {}),
    },
  }
}
