/** Health checks: asked for by the command line or by the image, seen in inspect, ps and events. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { type Container, patience } from '../support/docker.ts'
import { busyboxLayer } from '../support/images/layers.ts'

const { daemon, docker } = await startCloud({ images: ['busybox'] })
const often = ['--health-interval', '100ms', '--health-timeout', '30s', '--health-retries', '2']
const checked = (cmd: string, ...options: string[]) =>
  docker.container('--health-cmd', cmd, ...often, ...options, 'busybox', 'sleep', '1000')
const health = async (container: Container) => JSON.parse(await container.inspect('{{json .State.Health}}'))
const becomes = (container: Container, status: string) =>
  until(
    `the container to be ${status}`,
    async () => {
      const { Status, Log } = await health(container)
      if (Status === status) return true
      throw new Error(`it is ${Status}: ${JSON.stringify(Log)}`)
    },
    { ...patience, everyMs: 100 },
  )
const shown = (container: Container, ...options: string[]) =>
  docker.ok(['ps', '--all', '--filter', `id=${container.id}`, '--format', '{{.Status}}', ...options])

test('a check that fails and passes again is seen in inspect, ps and events', async () => {
  const began = String(Math.floor(Date.now() / 1000))
  await using container = await checked('echo "is $(cat /state)"; test -f /state')
  await becomes(container, 'unhealthy')
  assert.match(await shown(container), /^Up .* \(unhealthy\)$/)
  const { FailingStreak, Log } = await health(container)
  assert.ok(FailingStreak >= 2, FailingStreak)
  assert.equal(Log[0].ExitCode, 1)
  assert.match(Log[0].Output, /No such file/)
  await container.exec('sh', '-c', 'echo well > /state')
  await becomes(container, 'healthy')
  assert.match(await shown(container, '--filter', 'health=healthy'), /^Up .* \(healthy\)$/)
  assert.equal(await shown(container, '--filter', 'health=none'), '')
  assert.equal((await health(container)).Log.at(-1).Output, 'is well\n')
  await until('five results', async () => (await health(container)).Log.length === 5, patience)
  const now = String(Math.ceil(Date.now() / 1000) + 1)
  const span = ['events', '--since', began, '--until', now, '--filter', `container=${container.id}`]
  const told = (await docker.ok([...span, '--format', '{{.Action}}'])).split('\n')
  assert.deepEqual(
    told.filter((action) => action.startsWith('health_status')),
    ['health_status: unhealthy', 'health_status: healthy'],
  )
  assert.ok(told.some((action) => action.startsWith('exec_create: /bin/sh -c echo "is')))
  await docker.ok(['stop', '-t', '0', container.id])
  assert.match(await shown(container), /^Exited/)
  assert.equal((await health(container)).Status, 'unhealthy')
})

test('a container is starting until its first probe', async () => {
  await using container = await docker.container('--health-cmd', 'true', 'busybox', 'sleep', '1000')
  assert.match(await shown(container), /^Up .* \(health: starting\)$/)
  assert.deepEqual(await health(container), { Status: 'starting', FailingStreak: 0, Log: [] })
  assert.equal(await container.inspect('{{json .Config.Healthcheck}}'), '{"Test":["CMD-SHELL","true"]}')
})

test('a probe that takes too long is killed in the guest', async () => {
  await using container = await checked('sleep 4711', '--health-timeout', '500ms', '--health-retries', '1')
  await becomes(container, 'unhealthy')
  const [first] = (await health(container)).Log
  assert.deepEqual([first.ExitCode, first.Output], [-1, 'Health check exceeded timeout (500ms)'])
  const probes = async () => (await docker.ok(['top', container.id])).match(/sleep 4711/g)?.length ?? 0
  assert.ok((await probes()) <= 1, 'probes do not pile up')
})

test('the check of an image is run, and can be turned off', async () => {
  const change = 'HEALTHCHECK --interval=100ms CMD ["test", "-d", "/etc"]'
  await docker.ok(['import', '-c', change, '-', 'checked'], { input: await busyboxLayer() })
  await using container = await docker.container('checked', 'sleep', '1000')
  await becomes(container, 'healthy')
  await using off = await docker.container('--no-healthcheck', 'checked', 'sleep', '1000')
  assert.equal(await off.inspect('{{json .State.Health}}'), 'null')
  assert.match(await shown(off), /^Up [^()]*$/)
})

test('a container that is adopted by the next daemon is probed on', async () => {
  await using container = await checked('test ! -f /ill')
  await becomes(container, 'healthy')
  await daemon.kill9()
  await daemon.launch()
  assert.equal((await health(container)).Status, 'healthy')
  await container.exec('touch', '/ill')
  await becomes(container, 'unhealthy')
})

test('what is paused is not probed', async () => {
  await using container = await checked('echo probe >> /probes')
  await becomes(container, 'healthy')
  await docker.ok(['pause', container.id])
  assert.match(await shown(container), /\(Paused\)$/)
  const before = await health(container)
  // Another one has many probes meanwhile.
  await using other = await checked('true')
  await until('five probes elsewhere', async () => (await health(other)).Log.length === 5, patience)
  assert.deepEqual((await health(container)).Log.slice(-1), before.Log.slice(-1))
  await docker.ok(['unpause', container.id])
  await until(
    'the next probe',
    async () => (await health(container)).Log.at(-1).Start !== before.Log.at(-1).Start,
    patience,
  )
})
