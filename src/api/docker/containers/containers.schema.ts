/** What clients send about containers. Objects are loose: fields we do not know are kept and echoed. */
import { z } from 'zod'
import {
  command,
  flag,
  integer,
  integerOrNull,
  items,
  map,
  natural,
  set,
  strings,
  stringsOrNull,
  text,
  wordOrWords,
} from '../fields.ts'
import * as q from '../query.ts'

const mount = z.looseObject({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: flag,
  BindOptions: z.looseObject({}).nullish(),
  VolumeOptions: z
    .looseObject({
      NoCopy: flag,
      Labels: map,
      Subpath: text,
      DriverConfig: z.looseObject({ Name: text, Options: map }).nullish(),
    })
    .nullish(),
  TmpfsOptions: z
    .looseObject({ SizeBytes: integer, Mode: integer, Options: z.array(z.array(z.string())).nullish() })
    .nullish(),
})

const portBinding = z.looseObject({ HostIp: text, HostPort: text })

export const hostConfig = z.looseObject({
  Binds: strings,
  Mounts: z
    .array(mount)
    .nullish()
    .transform((value) => value ?? []),
  Tmpfs: map,
  VolumesFrom: strings,
  VolumeDriver: text,
  LogConfig: z.looseObject({ Type: text, Config: map }).nullish(),
  NetworkMode: text,
  PortBindings: z
    .record(z.string(), z.array(portBinding).nullish())
    .nullish()
    .transform((value) => value ?? {}),
  PublishAllPorts: flag,
  ConsoleSize: z
    .array(natural)
    .nullish()
    .transform((value) => value ?? []),
  RestartPolicy: z.looseObject({ Name: text, MaximumRetryCount: integer }).nullish(),
  AutoRemove: flag,
  Links: strings,
  CapAdd: wordOrWords,
  CapDrop: wordOrWords,
  GroupAdd: strings,
  Privileged: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: strings,
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  ExtraHosts: strings,
  PidMode: text,
  IpcMode: text,
  UTSMode: text,
  UsernsMode: text,
  CgroupnsMode: text,
  Cgroup: text,
  CgroupParent: text,
  Runtime: text,
  Isolation: text,
  Devices: items,
  DeviceRequests: items,
  DeviceCgroupRules: strings,
  StorageOpt: map,
  Sysctls: map,
  Ulimits: z
    .array(z.looseObject({ Name: text, Soft: integer, Hard: integer }))
    .nullish()
    .transform((value) => value ?? []),
  Init: z.boolean().nullish(),
  ShmSize: integer,
  OomScoreAdj: integer,
  OomKillDisable: z.boolean().nullish(),
  Memory: integer,
  KernelMemory: integer,
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integerOrNull,
  NanoCpus: integer,
  CpuShares: integer,
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  BlkioWeight: integer,
  BlkioWeightDevice: items,
  BlkioDeviceReadBps: items,
  BlkioDeviceWriteBps: items,
  BlkioDeviceReadIOps: items,
  BlkioDeviceWriteIOps: items,
  PidsLimit: integer,
  MaskedPaths: stringsOrNull,
  ReadonlyPaths: stringsOrNull,
})
export type HostConfig = z.output<typeof hostConfig>

/** Of `docker update`: a part of the above, where no limit of processes is another thing than nothing said. */
export const updateBody = hostConfig.extend({ PidsLimit: integerOrNull })
export type UpdateBody = z.output<typeof updateBody>

export const endpoint = z.looseObject({
  MacAddress: text,
  Aliases: strings,
  Links: strings,
  GwPriority: integer,
  DriverOpts: map,
  IPAMConfig: z.looseObject({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: strings }).nullish(),
})
export type Endpoint = z.output<typeof endpoint>

const networkingConfig = z.looseObject({
  EndpointsConfig: z
    .record(z.string(), endpoint.nullish())
    .nullish()
    .transform((value) => value ?? {}),
})
export type NetworkingConfig = z.output<typeof networkingConfig>

/** How a container's health is looked at; times in nanoseconds. */
export const healthcheck = z
  .looseObject({
    Test: strings,
    Interval: integer,
    Timeout: integer,
    StartPeriod: integer,
    StartInterval: integer,
    Retries: integer,
  })
  .nullish()

export const createBody = z.looseObject({
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: set,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: strings,
  Cmd: command,
  Entrypoint: command,
  Image: text,
  WorkingDir: text,
  NetworkDisabled: flag,
  MacAddress: text,
  Labels: map,
  Volumes: set,
  StopSignal: text,
  StopTimeout: integerOrNull,
  Healthcheck: healthcheck,
  HostConfig: hostConfig.nullish().transform((value) => value ?? hostConfig.parse({})),
  NetworkingConfig: networkingConfig.nullish().transform((value) => value ?? networkingConfig.parse({})),
})
export type CreateBody = z.output<typeof createBody>

/** The untouched JSON beside what was understood of it: the former is what inspect echoes. */
export const createRequest = z.unknown().transform((original, context) => {
  const parsed = createBody.safeParse(original)
  if (parsed.success) return { original: original as Readonly<Record<string, unknown>>, body: parsed.data }
  for (const issue of parsed.error.issues) {
    context.addIssue({ code: 'custom', message: issue.message, path: issue.path })
  }
  return z.NEVER
})

const int32Max = 2 ** 31 - 1

export const createQuery = z.looseObject({ name: q.text, platform: q.text })
export const listQuery = z.looseObject({
  all: q.flag,
  limit: q.integer(-int32Max, int32Max),
  size: q.flag,
  filters: q.text,
})
export const inspectQuery = z.looseObject({ size: q.flag })
export const startQuery = z.looseObject({ detachKeys: q.text, checkpoint: q.text })
export const stopQuery = z.looseObject({ t: q.integer(-1, int32Max), signal: q.text })
export const killQuery = z.looseObject({ signal: q.text })
export const renameQuery = z.looseObject({ name: q.text })
export const waitQuery = z.looseObject({ condition: q.text })
export const resizeQuery = q.terminalSizes
export const removeQuery = z.looseObject({ force: q.flag, v: q.flag, link: q.flag })
export const pruneQuery = z.looseObject({ filters: q.text })
export const topQuery = z.looseObject({ ps_args: q.text })
export const statsQuery = z.looseObject({ stream: q.flagOn, 'one-shot': q.flag })
export const attachQuery = z.looseObject({
  stdin: q.flag,
  stdout: q.flag,
  stderr: q.flag,
  stream: q.flag,
  logs: q.flag,
  detachKeys: q.text,
})
export const logsQuery = z.looseObject({
  stdout: q.flag,
  stderr: q.flag,
  follow: q.flag,
  timestamps: q.flag,
  details: q.flag,
  since: q.timestamp,
  until: q.timestamp,
  tail: q.text,
})
