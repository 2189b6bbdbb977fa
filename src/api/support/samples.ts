/** Objects as the engine has them, for specs. */

import type { Container, ContainerPort, ContainerRequest } from '../../engine/model.ts'
import { defaultAttachment } from '../../engine/networks/attachments.ts'
import type { ContainerStats } from '../../engine/ports/sandbox.ts'
import { newId } from '../../lib/ids.ts'
import type { ImageDetails } from '../docker/backends.ts'

export const sampleRequest: ContainerRequest = {
  image: 'busybox:latest',
  env: [],
  labels: {},
  tty: false,
  openStdin: false,
  stdinOnce: false,
  attach: { stdin: false, stdout: true, stderr: true },
  exposedPorts: [],
  publish: [],
  publishAll: false,
  autoRemove: false,
  restartPolicy: { name: 'no', maximumRetries: 0 },
  logConfig: { driver: 'json-file', options: {} },
  attachments: [defaultAttachment],
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  extraHosts: [],
  memoryBytes: 0,
  nanoCpus: 0,
  cpuQuotaUs: 0,
  cpuPeriodUs: 0,
  cpuShares: 0,
  pidsLimit: 0,
  mounts: [],
  anonymousVolumes: [],
  volumeDriver: '',
  volumesFrom: [],
  tmpfs: {},
  readonlyRoot: false,
  privileged: false,
  capAdd: [],
  capDrop: [],
  groupAdd: [],
  noNewPrivileges: false,
  ulimits: [],
  init: false,
  shmBytes: 0,
  oomScoreAdj: 0,
  sysctls: {},
  frontend: {},
}

let names = 0

export function fakeContainer(request: Partial<ContainerRequest> = {}, project = 'default'): Container {
  const {
    name = `happy_fake${++names}`,
    cmd,
    entrypoint,
    healthcheck,
    ...rest
  } = { ...sampleRequest, ...request }
  const id = newId()
  return {
    id,
    project,
    name,
    createdAt: new Date(),
    spec: {
      ...rest,
      imageId: imageId(1),
      cmd: cmd ?? ['echo', 'hello'],
      entrypoint: entrypoint ?? null,
      workingDir: rest.workingDir ?? '/',
      user: rest.user ?? '',
      hostname: rest.hostname ?? id.slice(0, 12),
      stopSignal: rest.stopSignal ?? 'SIGTERM',
      ...(healthcheck ? { healthcheck: { ...healthcheck, shell: ['/bin/sh', '-c'] } } : {}),
      size: rest.size ?? 's1',
      volumes: [],
      mounts: [],
    },
    state: {
      status: 'created',
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAt: null,
      finishedAt: null,
      restartCount: 0,
      stoppedByUser: false,
      stop: null,
      pid: 0,
      health: null,
    },
    sandbox: null,
    ports: [port(id, rest)],
  }
}

/** As one that runs has it. */
function port(id: string, { publish }: Pick<ContainerRequest, 'publish'>): ContainerPort {
  return {
    id,
    network: 'b'.repeat(64),
    networkName: 'bridge',
    mac: '02:42:ac:1e:00:02',
    ipv4: '172.30.0.2/16',
    gateway4: '172.30.0.1',
    resolver4: '',
    mtu: 1500,
    slot: 0,
    interface: 'eth0',
    leadsOut: true,
    asks4: '',
    published: publish.map((port) => ({
      ...port,
      hostPort: port.hostPort || 32_768,
      hostAddress: '0.0.0.0',
    })),
  }
}

export const imageId = (n: number): string => `sha256:${String(n).repeat(64)}`

export function fakeImage(
  n: number,
  tags: readonly string[],
  more: Partial<ImageDetails> = {},
): ImageDetails {
  return {
    id: imageId(n),
    tags,
    digests: tags.map((tag) => `${tag.replace(/:[^/:]*$/, '')}@${imageId(n)}`),
    createdAt: new Date(Date.UTC(2026, 0, n)),
    size: n * 1000,
    labels: {},
    config: {
      User: '',
      ExposedPorts: {},
      Env: ['PATH=/bin'],
      Entrypoint: null,
      Cmd: ['sh'],
      Volumes: {},
      WorkingDir: '',
      Labels: {},
      StopSignal: '',
      Shell: null,
      OnBuild: null,
      Healthcheck: null,
    },
    architecture: 'amd64',
    os: 'linux',
    variant: '',
    parent: '',
    author: '',
    comment: '',
    dockerVersion: '',
    layers: [imageId(9)],
    lastTaggedAt: null,
    history: [
      { createdAt: new Date(0), createdBy: 'ADD root', comment: '', size: n * 1000, empty: false },
      { createdAt: new Date(0), createdBy: 'CMD ["sh"]', comment: '', size: 0, empty: true },
    ],
    ...more,
  }
}

let ticks = 0

/** Each sample has used one more second of the two CPUs' two. */
export function fakeStats(): ContainerStats {
  const n = ++ticks * 1_000_000_000
  return {
    at: new Date(),
    cpu: {
      totalNs: n,
      userNs: n / 2,
      systemNs: n / 2,
      sandboxNs: n * 4,
      online: 2,
      periods: 0,
      throttledPeriods: 0,
      throttledNs: 0,
    },
    memory: {
      usageBytes: 30 * 1024 * 1024,
      limitBytes: 128 * 1024 * 1024,
      stat: { inactive_file: 10 * 1024 * 1024 },
    },
    pids: { current: 3, limit: 0 },
    io: { readBytes: 4096, writeBytes: 8192, reads: 1, writes: 2 },
    interfaces: {
      eth0: {
        rxBytes: 1000,
        rxPackets: 10,
        rxErrors: 0,
        rxDropped: 0,
        txBytes: 2000,
        txPackets: 20,
        txErrors: 0,
        txDropped: 0,
      },
    },
  }
}
