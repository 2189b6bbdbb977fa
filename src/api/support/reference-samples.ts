/**
 * For each field of a container request what a client may ask in it. What comes of that, docs/docker-api.md tells by
 * asking (reference.ts); `note` says what an answer alone does not.
 */

export interface FieldSample {
  readonly values: readonly unknown[]
  readonly note?: string
  /** What has to be there too for the field to matter. */
  readonly beside?: Readonly<Record<string, unknown>>
}

const of = (...values: unknown[]): FieldSample => ({ values })
const noted = (note: string, ...values: unknown[]): FieldSample => ({ note, values })

export const configSamples: Readonly<Record<string, FieldSample>> = {
  Hostname: of('box'),
  Domainname: of('example.org'),
  User: of('1000:1000'),
  AttachStdin: of(true),
  AttachStdout: of(true),
  AttachStderr: of(true),
  ExposedPorts: of({ '80/tcp': {} }),
  Tty: of(true),
  OpenStdin: of(true),
  StdinOnce: of(true),
  Env: of(['A=1']),
  Cmd: of(['true']),
  Healthcheck: of({ Test: ['CMD-SHELL', 'true'], Interval: 1e9 }),
  ArgsEscaped: noted('of Windows', true),
  Image: of('nginx'),
  Volumes: of({ '/data': {} }, { data: {} }),
  WorkingDir: of('/srv'),
  Entrypoint: of(['sh']),
  NetworkDisabled: of(true),
  MacAddress: of('02:42:ac:11:00:02'),
  OnBuild: noted('of a Dockerfile', ['RUN true']),
  Labels: noted('`hummingbird.size` names the size of the microVM', { a: 'b' }),
  StopSignal: of('SIGINT'),
  StopTimeout: of(3),
  Shell: noted("the image's counts for health checks", ['/bin/bash', '-c']),
  NetworkingConfig: of(
    { EndpointsConfig: { bridge: { MacAddress: '02:42:ac:11:00:02' } } },
    { EndpointsConfig: { bridge: { IPAMConfig: { IPv4Address: '10.0.0.9' } } } },
    { EndpointsConfig: { bridge: { Aliases: ['db'] } } },
    { EndpointsConfig: { bridge: {}, other: {} } },
  ),
}

export const hostConfigSamples: Readonly<Record<string, FieldSample>> = {
  Binds: noted(
    'a volume is a disk of its own: one container has it read-write, or many read-only',
    ['/data'],
    ['name:/data'],
    ['name:/data:ro'],
    ['/host:/data'],
    ['name:/data:shared'],
  ),
  ContainerIDFile: noted('the client writes it', '/tmp/id'),
  LogConfig: of({ Type: 'local', Config: { 'max-size': '1m' } }, { Type: 'none' }, { Type: 'syslog' }),
  NetworkMode: of('none', 'host', 'container:other', 'mine'),
  PortBindings: of(
    { '80/tcp': [{ HostPort: '8080' }] },
    { '80/tcp': [{ HostPort: '8000-8010' }] },
    { '80/sctp': [{ HostPort: '8080' }] },
  ),
  RestartPolicy: of({ Name: 'always' }, { Name: 'on-failure', MaximumRetryCount: 3 }),
  AutoRemove: of(true),
  VolumeDriver: noted('another than `local` is not found', 'local'),
  VolumesFrom: of(['other'], ['other:ro']),
  Mounts: of(
    [{ Type: 'tmpfs', Target: '/scratch' }],
    [{ Type: 'volume', Target: '/data' }],
    [{ Type: 'volume', Source: 'name', Target: '/data' }],
    [{ Type: 'volume', Source: 'name', Target: '/data', VolumeOptions: { Subpath: 'a/b' } }],
    [{ Type: 'volume', Target: '/data', ReadOnly: true }],
    [{ Type: 'bind', Source: '/host', Target: '/data' }],
    [{ Type: 'image', Source: 'busybox', Target: '/data' }],
    [{ Type: 'cluster', Source: 'name', Target: '/data' }],
    [{ Type: 'npipe', Source: 'name', Target: '/data' }],
  ),
  Tmpfs: of({ '/scratch': 'size=1m' }),
  ConsoleSize: { values: [[24, 80]], beside: { Tty: true } },
  Annotations: of({ a: 'b' }),
  CapAdd: of(['NET_ADMIN']),
  CapDrop: of(['ALL']),
  CgroupnsMode: noted('it is private', 'private', 'host'),
  Dns: of(['192.0.2.53']),
  DnsOptions: of(['ndots:1']),
  DnsSearch: of(['example.org']),
  ExtraHosts: of(['db:192.0.2.9'], ['host:host-gateway']),
  GroupAdd: of(['audio']),
  IpcMode: noted('it is private', 'private', 'host', 'container:other', 'none'),
  Cgroup: of('private', 'host'),
  Links: of(['db:db']),
  OomScoreAdj: of(500),
  PidMode: of('host', 'container:other'),
  Privileged: noted('of its microVM', true),
  PublishAllPorts: of(true),
  ReadonlyRootfs: of(true),
  SecurityOpt: noted(
    'what a profile would keep out the microVM keeps in',
    ['no-new-privileges'],
    ['seccomp=unconfined'],
    ['seccomp={}'],
    ['apparmor=mine'],
    ['label=disable'],
  ),
  UTSMode: of('host'),
  UsernsMode: noted('users of a microVM are no users of the host', 'host'),
  ShmSize: of(1 << 20),
  Runtime: noted(
    'names the size of the microVM; one that does not exist is refused with the list of them',
    'runc',
    's4',
  ),
  Isolation: of('default', 'hyperv'),
  StorageOpt: of({ size: '10G' }),
  Sysctls: of({ 'net.core.somaxconn': '1024' }),
  Ulimits: of([{ Name: 'nofile', Soft: 1024, Hard: 2048 }]),
  Init: of(true),
  CpuShares: of(512),
  Memory: noted('the smallest size that has it is chosen; beyond that, `no size has …`', 64 << 20),
  NanoCpus: noted('the smallest size that has them is chosen', 5e8),
  CpuPeriod: of(50_000),
  CpuQuota: of(50_000),
  CpuRealtimePeriod: of(1000),
  CpuRealtimeRuntime: of(1000),
  CpusetCpus: of('0'),
  CpusetMems: of('0'),
  CgroupParent: of('/mine'),
  BlkioWeight: of(100),
  BlkioWeightDevice: of([{ Path: '/dev/sda', Weight: 100 }]),
  BlkioDeviceReadBps: of([{ Path: '/dev/sda', Rate: 1 }]),
  BlkioDeviceWriteBps: of([{ Path: '/dev/sda', Rate: 1 }]),
  BlkioDeviceReadIOps: of([{ Path: '/dev/sda', Rate: 1 }]),
  BlkioDeviceWriteIOps: of([{ Path: '/dev/sda', Rate: 1 }]),
  Devices: of([{ PathOnHost: '/dev/kvm' }]),
  DeviceCgroupRules: of(['c 1:1 r']),
  DeviceRequests: of([{ Count: -1, Capabilities: [['gpu']] }]),
  KernelMemory: noted('of versions before 1.42', 64 << 20),
  KernelMemoryTCP: noted('of versions before 1.42', 64 << 20),
  MemoryReservation: of(32 << 20),
  MemorySwap: of(1 << 30, -1),
  MemorySwappiness: noted('microVMs have no swap', 10),
  OomKillDisable: of(true),
  PidsLimit: of(100),
  CpuCount: noted('of Windows', 1),
  CpuPercent: noted('of Windows', 50),
  IOMaximumIOps: noted('of Windows', 1),
  IOMaximumBandwidth: noted('of Windows', 1),
  MaskedPaths: of([]),
  ReadonlyPaths: of([]),
}

/** What works otherwise than with dockerd, by method and path. */
export const endpointNotes: Readonly<Record<string, string>> = {
  'POST /containers/create': 'some fields are refused, see below',
  'POST /containers/:id/start':
    'checkpoints are refused; so is a volume that another container has (409), unless both have it read-only',
  'POST /containers/:id/update':
    'more memory or CPUs than the size of the microVM has are refused; of what is paused when it runs again',
  'POST /containers/:id/pause': 'the whole microVM stands still, its clock too',
  'DELETE /containers/:id': '`link` is refused',
  'GET /containers/:id/top': 'columns are made here of what the guest tells, for the common options of ps',
  'HEAD /containers/:id/archive': 'the size of a directory is always told as 4096',
  'PUT /containers/:id/archive':
    'what dockerd answers with 500 is 400; xz and bzip2 are refused; symbolic links that lead out of the directory are unpacked, in the container they lead nowhere else',
  'GET /containers/:id/changes': 'what the guest mounts over is not told of',
  'GET /containers/:id/export': 'without the empty files that dockerd makes for its own mounts',
  'POST /commit': 'the image keeps of the configuration what is meant for images',
  'GET /system/df':
    'the sizes of images are those on the disk: of the layers as they came and the block image made of them',
  'POST /images/create': '`fromSrc` is `-` alone: nothing is fetched from a URL',
  'POST /volumes/create':
    'a volume is a disk of its own: `size` is its one option, and `Mountpoint` is empty, for no directory of the host has its files',
  'GET /networks': '`bridge`, `none`, and those that users made; there is no `host`',
  'POST /networks/create':
    'driver `bridge`, one IPv4 subnet; options of Docker’s bridge that say something else than what is so are refused',
  'POST /networks/:id/connect':
    'also of a container that runs, up to the cards that a sandbox has room for; not of one that is paused, nor of one that was started with `--network none`',
  'GET /plugins': 'there are none',
  'GET /plugins/*name/json': 'there are none: 404',
  'DELETE /plugins/*name': 'there are none: 404',
  'POST /plugins/*name/enable': 'there are none: 404',
  'POST /plugins/*name/disable': 'there are none: 404',
  'POST /plugins/*name/push': 'there are none: 404',
  'POST /plugins/*name/set': 'there are none: 404',
  'POST /plugins/*name/upgrade': 'there are none: 404',
  'POST /build':
    'the classic builder: what needs BuildKit is refused (`version=2`, `RUN --mount`, here-documents), so are `remote`, `squash` and ADD of a URL',
  'POST /build/prune':
    'steps are forgotten; the images that they made go with `image prune`, so no bytes are given back here',
}
