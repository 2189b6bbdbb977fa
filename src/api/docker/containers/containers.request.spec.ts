import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultAttachment } from '../../../engine/networks/attachments.ts'
import { HummingbirdError } from '../../../lib/errors.ts'
import { parseWith } from '../../body.ts'
import { bridgeView, fakeNetwork, ownView } from '../../support/fake-networks.ts'
import { containerRequest } from './containers.request.ts'
import { createBody, createRequest, hostConfig } from './containers.schema.ts'

async function made(body: object, name = '') {
  const parsed = parseWith(createRequest, { Image: 'busybox', ...body }, 'invalid JSON')
  return containerRequest(parsed, name, async (ref) => fakeNetwork([bridgeView, ownView], ref))
}
const host = async (hostConfig: object) => (await made({ HostConfig: hostConfig })).request

test('what the docker CLI sends for `run` becomes a plain request', async () => {
  const { request, warnings } = await made(
    {
      Hostname: '',
      User: '',
      AttachStdout: true,
      AttachStderr: true,
      Env: null,
      Cmd: ['true'],
      Volumes: {},
      Entrypoint: null,
      Labels: {},
      HostConfig: {
        Binds: null,
        LogConfig: { Type: '', Config: {} },
        NetworkMode: 'default',
        PortBindings: {},
        RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
        AutoRemove: true,
        ConsoleSize: [0, 0],
        CapAdd: null,
        Dns: [],
        MemorySwappiness: -1,
        Ulimits: [],
        MaskedPaths: null,
      },
      NetworkingConfig: { EndpointsConfig: { default: { IPAMConfig: null, Links: null, Aliases: null } } },
    },
    '/web',
  )
  assert.deepEqual(warnings, [])
  const { frontend, ...rest } = request
  assert.deepEqual(rest, {
    name: 'web',
    image: 'busybox',
    labels: {},
    cmd: ['true'],
    env: [],
    tty: false,
    openStdin: false,
    stdinOnce: false,
    attach: { stdin: false, stdout: true, stderr: true },
    privileged: false,
    readonlyRoot: false,
    capAdd: [],
    capDrop: [],
    groupAdd: [],
    noNewPrivileges: false,
    memoryBytes: 0,
    nanoCpus: 0,
    cpuQuotaUs: 0,
    cpuPeriodUs: 0,
    cpuShares: 0,
    pidsLimit: 0,
    shmBytes: 67_108_864,
    oomScoreAdj: 0,
    attachments: [defaultAttachment],
    exposedPorts: [],
    publish: [],
    publishAll: false,
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    extraHosts: [],
    restartPolicy: { name: 'no', maximumRetries: 0 },
    logConfig: { driver: 'json-file', options: {} },
    ulimits: [],
    autoRemove: true,
    init: false,
    mounts: [],
    anonymousVolumes: [],
    volumeDriver: '',
    volumesFrom: [],
    tmpfs: {},
    sysctls: {},
  })
  const { hostConfig } = frontend as { hostConfig: Record<string, unknown> }
  assert.equal(hostConfig.NetworkMode, 'bridge')
  assert.equal(hostConfig.IpcMode, 'private')
  assert.equal(hostConfig.ShmSize, 67_108_864)
})

test('commands may be one string, and an emptied entry point is passed on, which clears the image’s', async () => {
  const { request } = await made({ Cmd: 'ls -l', Entrypoint: [''] })
  assert.deepEqual([request.cmd, request.entrypoint], [['ls -l'], ['']])
  assert.equal('cmd' in (await made({})).request, false)
})

test("a terminal begins with the size of the client's", async () => {
  const size = async (body: object) => (await made(body)).request.consoleSize
  assert.deepEqual(await size({ Tty: true, HostConfig: { ConsoleSize: [24, 80] } }), {
    rows: 24,
    columns: 80,
  })
  for (const body of [
    { Tty: false, HostConfig: { ConsoleSize: [24, 80] } },
    { Tty: true, HostConfig: { ConsoleSize: [0, 0] } },
    { Tty: true, HostConfig: { ConsoleSize: [24, 70_000] } },
    { Tty: true, HostConfig: { ConsoleSize: null } },
  ]) {
    assert.equal(await size(body), undefined)
  }
})

test('ports are published as asked', async () => {
  const request = await host({
    PortBindings: {
      '80/tcp': [
        { HostIp: '', HostPort: '8080' },
        { HostIp: '127.0.0.1', HostPort: '' },
      ],
      '53/udp': [{ HostPort: '53' }],
      '90': null,
    },
    PublishAllPorts: true,
  })
  assert.deepEqual(request.publish, [
    { protocol: 'tcp', containerPort: 80, hostAddress: '', hostPort: 8080 },
    { protocol: 'tcp', containerPort: 80, hostAddress: '127.0.0.1', hostPort: 0 },
    { protocol: 'udp', containerPort: 53, hostAddress: '', hostPort: 53 },
  ])
  assert.equal(request.publishAll, true)
  assert.deepEqual((await made({ ExposedPorts: { '80': {}, '53/udp': {} } })).request.exposedPorts, [
    '80/tcp',
    '53/udp',
  ])
})

test('security, limits, tmpfs, hosts and sizes are carried over', async () => {
  const request = await host({
    CapAdd: ['net_admin', 'ALL'],
    CapDrop: ['CAP_CHOWN'],
    SecurityOpt: ['no-new-privileges', 'seccomp=unconfined', 'label:disable'],
    Memory: 128 << 20,
    NanoCpus: 500_000_000,
    PidsLimit: -1,
    ShmSize: 1 << 20,
    Ulimits: [{ Name: 'nofile', Soft: 1, Hard: -1 }],
    Tmpfs: { '/run': 'size=1m' },
    Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 } }],
    ExtraHosts: ['a:1.2.3.4', 'b=::1', 'host.docker.internal:host-gateway'],
    LogConfig: { Type: 'local', Config: { 'max-size': '10m' } },
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
    Sysctls: { 'net.core.somaxconn': '1024' },
    MaskedPaths: [],
    Init: true,
  })
  assert.deepEqual([request.capAdd, request.capDrop], [['CAP_NET_ADMIN', 'ALL'], ['CAP_CHOWN']])
  assert.equal(request.noNewPrivileges, true)
  assert.deepEqual([request.memoryBytes, request.nanoCpus, request.pidsLimit], [134_217_728, 500_000_000, 0])
  assert.deepEqual(request.ulimits, [{ name: 'nofile', soft: 1, hard: -1 }])
  assert.deepEqual(request.tmpfs, { '/run': 'size=1m', '/t': 'size=1024,mode=1777' })
  assert.deepEqual(request.extraHosts, ['a:1.2.3.4', 'b:::1', 'host.docker.internal:host-gateway'])
  assert.deepEqual(request.logConfig, { driver: 'local', options: { 'max-size': '10m' } })
  assert.deepEqual(request.restartPolicy, { name: 'on-failure', maximumRetries: 3 })
  assert.deepEqual([request.maskedPaths, request.init, request.shmBytes], [[], true, 1_048_576])
  assert.equal((await made({ Labels: { 'hummingbird.size': 's4' } })).request.size, 's4')
})

test('the card’s address and the network are found wherever clients put them', async () => {
  const mac = '02-42-AC-11-00-02'
  const endpoints = { NetworkingConfig: { EndpointsConfig: { bridge: { MacAddress: mac } } } }
  const macOf = async (body: object) => (await made(body)).request.attachments.map((entry) => entry.mac)
  assert.deepEqual(await macOf(endpoints), ['02:42:ac:11:00:02'])
  assert.deepEqual(await macOf({ MacAddress: '02:42:ac:11:00:02' }), ['02:42:ac:11:00:02'])
  const networksOf = (config: object) =>
    host(config).then((request) => request.attachments.map((a) => a.network))
  assert.deepEqual(await networksOf({ NetworkMode: 'none' }), ['none'])
  assert.equal((await made({ NetworkDisabled: true })).request.attachments[0]?.network, 'none')
  for (const mode of ['', 'bridge', 'default', bridgeView.id, bridgeView.id.slice(0, 12)]) {
    assert.deepEqual(await networksOf({ NetworkMode: mode }), ['default'])
  }
  for (const mode of ['own', ownView.id])
    assert.deepEqual(await networksOf({ NetworkMode: mode }), [ownView.id])
})

test('several networks come with what is said of the container in each', async () => {
  const body = {
    HostConfig: { NetworkMode: 'own', Links: ['db:database'] },
    NetworkingConfig: {
      EndpointsConfig: {
        bridge: {},
        own: { Aliases: ['web'], IPAMConfig: { IPv4Address: '10.1.0.9' }, GwPriority: 3 },
      },
    },
  }
  const { request } = await made(body)
  assert.deepEqual(request.attachments, [
    {
      ...{ network: ownView.id, name: 'own', aliases: ['web'], links: ['db:database'] },
      ...{ gatewayPriority: 3, ipv4: '10.1.0.9' },
    },
    defaultAttachment,
  ])
  const refused = [
    [{ bridge: { IPAMConfig: { IPv4Address: '172.30.0.9' } } }, /supported on user defined networks only/],
    [{ bridge: { Aliases: ['web'] } }, /alias is supported only for containers in user defined networks/],
    [{ own: { IPAMConfig: { IPv4Address: '10.1' } } }, /invalid IPv4 address: 10.1/],
    [{ own: { Aliases: ['a b'] } }, /invalid alias: "a b"/],
    [{ own: { MacAddress: 'x' } }, /invalid MAC address: x/],
  ] as const
  for (const [EndpointsConfig, message] of refused) {
    await assert.rejects(made({ NetworkingConfig: { EndpointsConfig } }), { kind: 'invalid', message })
  }
})

test('what a container of its own microVM cannot have is refused by name', async () => {
  for (const [config, kind, message] of [
    [{ Binds: ['/etc:/x'] }, 'invalid', /type "bind": \/etc:\/x: .*sees no files of a host/],
    [{ Mounts: [{ Type: 'bind', Source: '/etc', Target: '/x' }] }, 'invalid', /type "bind"/],
    [{ Mounts: [{ Type: 'tmpfs', Target: 'x' }] }, 'invalid', /must be absolute/],
    [{ Mounts: [{ Type: 'cluster', Target: '/x' }] }, 'invalid', /"cluster": cluster volumes are of swarms/],
    [{ NetworkMode: 'host' }, 'invalid', /--network host/],
    [{ NetworkMode: 'container:a' }, 'not_implemented', /--network container:a/],
    [{ NetworkMode: 'mine' }, 'not_found', /network mine not found/],
    [{ PidMode: 'host' }, 'invalid', /--pid host/],
    [{ IpcMode: 'host' }, 'invalid', /--ipc host/],
    [{ UTSMode: 'host' }, 'invalid', /--uts host/],
    [{ Devices: [{}] }, 'invalid', /--device/],
    [{ DeviceRequests: [{}] }, 'not_implemented', /--gpus/],
    [{ Links: ['a:b:c'] }, 'invalid', /bad format for links: a:b:c/],
    [{ Isolation: 'hyperv' }, 'invalid', /invalid isolation 'hyperv' on linux/],
    [{ StorageOpt: { size: '1g' } }, 'not_implemented', /--storage-opt/],
    [{ BlkioWeight: 10 }, 'not_implemented', /block I\/O/],
    [{ SecurityOpt: ['seccomp={}'] }, 'not_implemented', /seccomp profiles/],
    [{ SecurityOpt: ['what=ever'] }, 'invalid', /invalid --security-opt 2: "what=ever"/],
  ] as const) {
    await assert.rejects(host(config), { kind, message }, JSON.stringify(config))
  }
})

test('a range of host ports is handed on', async () => {
  const bindings = (HostPort: string) => host({ PortBindings: { '80/tcp': [{ HostPort }] } })
  const port = { protocol: 'tcp', containerPort: 80, hostAddress: '' }
  const publish = async (text: string) => (await bindings(text)).publish
  assert.deepEqual(await publish('8000-8010'), [{ ...port, hostPort: 8000, hostPortLast: 8010 }])
  assert.deepEqual(await publish('8000-8000'), [{ ...port, hostPort: 8000 }])
  assert.deepEqual(await publish('0'), [{ ...port, hostPort: 0 }])
})

test('values that make no sense are refused in the words of dockerd', async () => {
  for (const [config, message] of [
    [{ Memory: 1024 }, 'Minimum memory limit allowed is 6MB'],
    [{ NanoCpus: 1, CpuPeriod: 1000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ OomScoreAdj: 2000 }, 'Invalid value 2000, range for oom score adj is [-1000, 1000]'],
    [{ ShmSize: -1 }, 'SHM size can not be less than 0'],
    [{ CapAdd: ['NOPE'] }, 'invalid CapAdd: unknown capability: "CAP_NOPE"'],
    [{ Ulimits: [{ Name: 'x' }] }, 'invalid ulimit type: x'],
    [{ LogConfig: { Type: 'syslog' } }, 'error looking up logging plugin syslog: plugin "syslog" not found'],
    [{ LogConfig: { Config: { x: '1' } } }, "unknown log opt 'x' for json-file log driver"],
    [
      { AutoRemove: true, RestartPolicy: { Name: 'always' } },
      "can't create 'AutoRemove' container with restart policy",
    ],
    [
      { RestartPolicy: { Name: 'always', MaximumRetryCount: 1 } },
      "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    ],
    [{ PortBindings: { x: [] } }, 'invalid port specification: "x"'],
    [{ PortBindings: { '80/tcp': [{ HostIp: 'x' }] } }, 'invalid IP address: x'],
    [
      { PortBindings: { '80/tcp': [{ HostPort: '8000-70000' }] } },
      'invalid port specification: "8000-70000"',
    ],
    [{ PortBindings: { '80/tcp': [{ HostPort: '8010-8000' }] } }, 'invalid port specification: "8010-8000"'],
    [{ ExtraHosts: ['a'] }, 'bad format for add-host: "a"'],
  ] as const) {
    await assert.rejects(host(config), { kind: 'invalid', message })
  }
  for (const body of [
    { Image: '' },
    { WorkingDir: 'x' },
    { Env: ['=x'] },
    { Hostname: 'x'.repeat(65) },
    { Cmd: ['a\0b'] },
  ]) {
    await assert.rejects(made(body), { kind: 'invalid' }, JSON.stringify(body))
  }
})

test('a health check is handed on as it is asked for', async () => {
  const check = async (Healthcheck: object) => (await made({ Healthcheck })).request.healthcheck
  const none = { test: [], intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 }
  assert.deepEqual(await check({ Test: ['CMD-SHELL', 'true'], Interval: 1e9, StartInterval: 2e9 }), {
    ...none,
    ...{ test: ['CMD-SHELL', 'true'], intervalNs: 1e9, startIntervalNs: 2e9 },
  })
  assert.deepEqual(await check({ Test: ['NONE'] }), { ...none, test: ['NONE'] })
  assert.deepEqual((await made({ Healthcheck: { Test: ['NONE'] } })).warnings, [])
  assert.equal((await made({ Healthcheck: null })).request.healthcheck, undefined)
  for (const [wrong, message] of [
    [{ Interval: 1 }, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ StartPeriod: -1 }, 'StartPeriod in Healthcheck cannot be less than 1ms'],
    [{ Retries: -1 }, 'Retries in Healthcheck cannot be negative'],
  ] as const) {
    await assert.rejects(check(wrong), { kind: 'invalid', message })
  }
})

test('what is kept without effect is told in a warning', async () => {
  const { warnings } = await made({
    Healthcheck: { Test: ['ASK', 'true'] },
    HostConfig: { OomKillDisable: true, MemoryReservation: 8 << 20 },
  })
  assert.equal(warnings.length, 3)
})

test('whatever is asked for becomes a request, or is refused with a reason', async () => {
  const text = fc.oneof(
    fc.constantFrom('', 'host', 'none', '/a', 'a:b', '80/tcp', '1-2', '=', 'tmpfs'),
    fc.string(),
  )
  const leaf = fc.oneof(
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.dictionary(text, text, { maxKeys: 2 }),
  )
  const many = fc.array(fc.oneof(text, leaf), { maxLength: 2 })
  const value = fc.oneof(leaf, many, fc.dictionary(text, many, { maxKeys: 2 }))
  const fields = (shape: { shape: object }) => Object.keys(shape.shape)
  const any = (names: string[]) => fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 })
  const body = fc.record({
    top: any(fields(createBody)),
    HostConfig: fc.oneof(any(fields(hostConfig)), value),
  })
  await fc.assert(
    fc.asyncProperty(body, async ({ top, HostConfig }) => {
      try {
        const { request } = await made({ HostConfig, ...top })
        JSON.stringify(request)
      } catch (error) {
        assert.ok(error instanceof HummingbirdError, String(error))
        assert.match(error.kind, /^(invalid|not_implemented|not_found)$/)
      }
    }),
    { numRuns: 3000 },
  )
})
