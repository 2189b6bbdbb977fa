import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, ContainerHealth, ContainerState } from '../../../engine/model.ts'
import { fakeContainer, fakeStats, imageId } from '../../support/samples.ts'
import { inspectJson, summaryJson } from './containers.present.ts'
import { dockerState, stateJson, statusText } from './state.present.ts'
import { statsJson } from './stats.present.ts'
import { topJson } from './top.present.ts'

const now = new Date('2026-01-01T12:00:00Z')
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000)
const withState = (state: Partial<ContainerState>, container = fakeContainer()): Container => ({
  ...container,
  state: { ...container.state, ...state },
})

const healthy: ContainerHealth = {
  status: 'healthy',
  failingStreak: 0,
  log: [{ start: ago(2), end: ago(1), exitCode: 0, output: 'fine' }],
}

test('the status of docker ps says what docker says', () => {
  for (const [state, text, word] of [
    [{ status: 'created' }, 'Created', 'created'],
    [{ status: 'starting' }, 'Created', 'created'],
    [
      { status: 'starting', restartCount: 1, exitCode: 1, startedAt: ago(9), finishedAt: ago(3) },
      'Restarting (1) 3 seconds ago',
      'restarting',
    ],
    [{ status: 'running', startedAt: ago(120) }, 'Up 2 minutes', 'running'],
    [{ status: 'stopping', startedAt: ago(120) }, 'Up 2 minutes', 'running'],
    [{ status: 'paused', startedAt: ago(5) }, 'Up 5 seconds (Paused)', 'paused'],
    [{ status: 'running', startedAt: ago(5), health: healthy }, 'Up 5 seconds (healthy)', 'running'],
    [
      { status: 'running', startedAt: ago(5), health: { ...healthy, status: 'starting' } },
      'Up 5 seconds (health: starting)',
      'running',
    ],
    [
      { status: 'paused', startedAt: ago(5), health: { ...healthy, status: 'unhealthy' } },
      'Up 5 seconds (Paused)',
      'paused',
    ],
    [{ status: 'exited', startedAt: ago(9), finishedAt: ago(3) }, 'Exited (0) 3 seconds ago', 'exited'],
    [
      { status: 'restarting', exitCode: 1, startedAt: ago(9), finishedAt: ago(3) },
      'Restarting (1) 3 seconds ago',
      'restarting',
    ],
    [{ status: 'removing' }, 'Removal In Progress', 'removing'],
    [{ status: 'dead' }, 'Dead', 'dead'],
  ] as const) {
    const { state: whole } = withState(state)
    assert.deepEqual([statusText(whole, now), dockerState(whole)], [text, word])
  }
})

test('a container that never ran has zero times, and one that runs says so', () => {
  assert.equal(stateJson(fakeContainer().state).StartedAt, '0001-01-01T00:00:00Z')
  const running = stateJson(withState({ status: 'paused', startedAt: now, pid: 9 }).state)
  assert.deepEqual(
    [running.Running, running.Paused, running.Pid, running.StartedAt],
    [true, true, 9, '2026-01-01T12:00:00Z'],
  )
})

const web = () =>
  withState(
    { status: 'running', startedAt: now },
    fakeContainer({
      name: 'web',
      cmd: ['-g', 'daemon off;'],
      entrypoint: ['nginx'],
      exposedPorts: ['80/tcp', '443/tcp'],
      publish: [{ protocol: 'tcp', containerPort: 80, hostAddress: '', hostPort: 8080 }],
      frontend: {
        config: { Custom: 1, Volumes: { '/v': {} } },
        hostConfig: { NetworkMode: 'bridge', Extra: 2 },
      },
    }),
  )

test('inspect shows command, addresses, ports, and all that the client sent', () => {
  const json = inspectJson(web(), { execIds: ['e'], sizes: { writable: 1, root: 2 } })
  assert.deepEqual([json.Name, json.Path, json.Args], ['/web', 'nginx', ['-g', 'daemon off;']])
  assert.deepEqual(json.NetworkSettings.Ports, {
    '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
    '443/tcp': null,
  })
  assert.equal(json.NetworkSettings.IPAddress, '172.30.0.2')
  assert.equal(json.NetworkSettings.IPPrefixLen, 16)
  assert.equal(json.NetworkSettings.Networks.bridge?.Gateway, '172.30.0.1')
  assert.equal((json.Config as Record<string, unknown>).Custom, 1)
  assert.deepEqual([json.Config.Volumes, json.HostConfig.Extra], [{ '/v': {} }, 2])
  assert.deepEqual([json.Image, json.ExecIDs, json.SizeRootFs], [imageId(1), ['e'], 3])
})

test('inspect shows the health of what is checked, and the check', () => {
  const healthcheck = { test: ['CMD', 'ask'], intervalNs: 1e9, timeoutNs: 0, startPeriodNs: 0 }
  const request = { healthcheck: { ...healthcheck, startIntervalNs: 0, retries: 2 } }
  const json = inspectJson(withState({ health: healthy }, fakeContainer(request)), { execIds: [] })
  assert.deepEqual(json.State.Health, {
    Status: 'healthy',
    FailingStreak: 0,
    Log: [{ Start: '2026-01-01T11:59:58Z', End: '2026-01-01T11:59:59Z', ExitCode: 0, Output: 'fine' }],
  })
  assert.deepEqual(json.Config.Healthcheck, { Test: ['CMD', 'ask'], Interval: 1e9, Retries: 2 })
  assert.equal('Health' in inspectJson(web(), { execIds: [] }).State, false)
})

test('a container that does not run has no addresses and no ports', () => {
  const json = inspectJson(withState({ status: 'exited', finishedAt: now }, web()), { execIds: [] })
  assert.deepEqual([json.NetworkSettings.Ports, json.NetworkSettings.IPAddress], [{}, ''])
  assert.equal(json.ExecIDs, null)
  assert.equal('SizeRw' in json, false)
})

test('a list shows ports and command as docker ps does', () => {
  const json = summaryJson(web(), now)
  assert.deepEqual(json.Ports, [
    { IP: '0.0.0.0', PrivatePort: 80, Type: 'tcp', PublicPort: 8080 },
    { PrivatePort: 443, Type: 'tcp' },
  ])
  assert.equal(json.Command, "nginx -g 'daemon off;'")
  assert.deepEqual(json.Names, ['/web'])
})

test('a container made by other means is shown with the defaults of Docker', () => {
  for (const frontend of [null, 'x', {}, { config: 5 }]) {
    const json = inspectJson(fakeContainer({ frontend }), { execIds: [] })
    assert.equal(json.HostConfig.IpcMode, 'private')
  }
})

test('docker stats computes shares that are true', () => {
  const container = web()
  const [first, second] = [fakeStats(), fakeStats()]
  // As JSON, for it is what a client computes with.
  const json = JSON.parse(JSON.stringify(statsJson(container, second, first)))
  const used = json.cpu_stats.cpu_usage.total_usage - json.precpu_stats.cpu_usage.total_usage
  const all = json.cpu_stats.system_cpu_usage - json.precpu_stats.system_cpu_usage
  assert.equal((used / all) * json.cpu_stats.online_cpus * 100, 50)
  assert.deepEqual(json.networks, {
    eth0: {
      rx_bytes: 1000,
      rx_packets: 10,
      rx_errors: 0,
      rx_dropped: 0,
      tx_bytes: 2000,
      tx_packets: 20,
      tx_errors: 0,
      tx_dropped: 0,
    },
  })
})

const tasks = [
  {
    pid: 7,
    ppid: 1,
    uid: 0,
    cpuSeconds: 3661,
    startedAt: ago(7322),
    tty: '',
    state: 'S',
    rssKiB: 5,
    vszKiB: 6,
    command: 'nginx -g',
    name: 'nginx',
  },
]

test('top prints the columns of ps', () => {
  const standard = topJson(tasks, '', now)
  assert.deepEqual(standard.Titles, ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'])
  assert.deepEqual(standard.Processes, [['root', '7', '1', '50', '09:57', '?', '01:01:01', 'nginx -g']])
  assert.deepEqual(topJson(tasks, '-ef', now), standard)
  assert.equal(topJson(tasks, 'aux', now).Titles[0], 'USER')
  assert.deepEqual(topJson(tasks, '-eo pid,comm=NAME', now), {
    Titles: ['PID', 'NAME'],
    Processes: [['7', 'nginx']],
  })
  assert.deepEqual(topJson(tasks, '-o pid -o args', now).Titles, ['PID', 'COMMAND'])
  for (const bad of ['--forest', '-o', '-o nope', '-o constructor', '-Z', 'x'.repeat(9999)]) {
    assert.throws(() => topJson(tasks, bad, now), { kind: 'invalid' }, bad)
  }
})
