/** `docker update`: limits that change while a container runs, and those that its next start has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { MiB } from '../../src/lib/units.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const update = (...args: string[]) => docker.ok(['update', ...args])
const limit = (file: string) => ['cat', `/sys/fs/cgroup/${file}`]

test('limits change while it runs, and stay when it is started again', async () => {
  await using container = await docker.container('-m', '100m', '--name', 'web', 'busybox', 'sleep', '1000')
  assert.equal(await update('-m', '40m', '--cpus', '0.5', '--pids-limit', '33', 'web'), 'web')
  const seen = async () => [
    await container.exec(...limit('memory.max')),
    await container.exec(...limit('cpu.max')),
    await container.exec(...limit('pids.max')),
  ]
  assert.deepEqual(await seen(), [String(40 * MiB), '50000 100000', '33'])
  const format = '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}'
  assert.equal(await container.inspect(format), `${40 * MiB} 500000000 33`)
  await docker.ok(['restart', '-t', '0', 'web'])
  assert.deepEqual(await seen(), [String(40 * MiB), '50000 100000', '33'])
  await update('--pids-limit', '-1', 'web')
  assert.equal(await container.exec(...limit('pids.max')), 'max')
})

test('limits of what does not run are those of its next start, of what is paused those of when it runs again', async () => {
  await docker.ok(['create', '--name', 'later', 'busybox', 'sleep', '1000'])
  await update('-m', '50m', 'later')
  await docker.ok(['start', 'later'])
  const memory = () => docker.ok(['exec', 'later', ...limit('memory.max')])
  assert.equal(await memory(), String(50 * MiB))
  await docker.ok(['pause', 'later'])
  await update('-m', '45m', 'later')
  await docker.ok(['unpause', 'later'])
  assert.equal(await memory(), String(45 * MiB))
  await docker.ok(['rm', '-f', 'later'])
})

test('what the size does not have, what clashes and what is nonsense is refused', async () => {
  await using _ = await docker.container('--name', 'small', '-m', '60m', 'busybox', 'sleep', '1000')
  const refused = (...args: string[]) => docker.fails(['update', ...args, 'small'])
  assert.match(
    await refused('-m', '100m'),
    /the memory of container small cannot be raised to 100 MiB: its size s1 has 64 MiB; make the container anew/,
  )
  assert.match(await refused('-m', '1m'), /Minimum memory limit allowed is 6MB/)
  assert.match(await refused('--cpuset-cpus', '0'), /not supported: say how many CPUs with --cpus/)
  assert.match(await refused('--restart', 'sometimes'), /sometimes/)
  await update('--cpu-quota', '50000', 'small')
  assert.match(
    await refused('--cpus', '0.5'),
    /Nano CPUs cannot be updated as CPU Quota has already been set/,
  )
  assert.match(await docker.fails(['update', '-m', '40m', 'nosuch']), /No such container: nosuch/)
})

test('a restart policy is changed, and an event tells of it', async () => {
  const began = String(Math.floor(Date.now() / 1000))
  await using container = await docker.container(
    'busybox',
    'sh',
    '-c',
    'while ! test -f /end; do sleep 0.05; done; rm /end',
  )
  await update('--restart', 'always', container.id)
  assert.equal(await container.inspect('{{.HostConfig.RestartPolicy.Name}}'), 'always')
  await container.exec('touch', '/end')
  await until('a restart', async () => (await container.inspect('{{.RestartCount}}')) === '1', patience)
  await container.is('running')
  const now = String(Math.ceil(Date.now() / 1000) + 1)
  const span = ['events', '--since', began, '--until', now, '--filter', `container=${container.id}`]
  assert.equal(await docker.ok([...span, '--filter', 'event=update', '--format', '{{.Action}}']), 'update')
})
