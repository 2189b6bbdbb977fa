/** What tells of containers: events, top, stats, info, disk usage. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['busybox'] })

test('events tell of each step, as they happen and afterwards', async () => {
  const began = Math.floor(Date.now() / 1000)
  const format = '{{.Type}} {{.Action}}'
  const live = docker.start([
    'events',
    '--since',
    String(began),
    '--format',
    format,
    '--filter',
    'label=watched',
  ])
  const run = ['run', '--rm', '--label', 'watched', '--name', 'watched', 'busybox', 'sh', '-c', 'exit 3']
  assert.equal((await docker.run(run)).code, 3)
  const steps = ['create', 'attach', 'start', 'die', 'destroy'].map((action) => `container ${action}`)
  await until('the last event', () => live.said().includes('container destroy'), patience)
  live.child.kill('SIGKILL')
  assert.deepEqual(live.said().trimEnd().split('\n'), steps)
  const past = [
    'events',
    '--since',
    String(began),
    '--until',
    String(Math.ceil(Date.now() / 1000) + 1),
    '--format',
    format,
  ]
  const everything = (await docker.ok(past)).split('\n')
  assert.deepEqual(
    everything.filter((line) => steps.includes(line)),
    steps,
  )
  assert.ok(
    everything.includes('network connect') && everything.includes('network disconnect'),
    everything.join(),
  )
})

test('events tell the exit code, the name and the image, and can be filtered', async () => {
  const began = String(Math.floor(Date.now() / 1000))
  await docker.run(['run', '--name', 'told', 'busybox', 'sh', '-c', 'exit 9'])
  const until_ = String(Math.ceil(Date.now() / 1000) + 1)
  const span = ['events', '--since', began, '--until', until_, '--filter', 'container=told']
  const format = [
    '--format',
    '{{index .Actor.Attributes "exitCode"}} {{index .Actor.Attributes "name"}} {{index .Actor.Attributes "image"}}',
  ]
  assert.equal(await docker.ok([...span, '--filter', 'event=die', ...format]), '9 told busybox')
  assert.equal(await docker.ok([...span, '--filter', 'type=image']), '')
  await docker.ok(['rm', 'told'])
})

test('images have events too', async () => {
  const began = String(Math.floor(Date.now() / 1000))
  await docker.ok(['tag', 'busybox', 'told:1'])
  await docker.ok(['rmi', 'told:1'])
  const span = ['events', '--since', began, '--until', String(Math.ceil(Date.now() / 1000) + 1)]
  const actions = await docker.ok([...span, '--filter', 'type=image', '--format', '{{.Action}}'])
  assert.equal(actions, 'tag\nuntag')
})

test('top lists the processes, in the columns that are asked for', async () => {
  await using container = await docker.container('busybox', 'sh', '-c', 'sleep 1000 & echo ready; wait')
  await container.says('ready')
  const lines = (await docker.ok(['top', container.id])).split('\n')
  assert.match(lines[0]!, /^UID\s+PID\s+PPID\s+C\s+STIME\s+TTY\s+TIME\s+CMD$/)
  assert.equal(lines.length, 3)
  assert.match(lines.slice(1).join('\n'), /^root .* sh -c sleep 1000/m)
  assert.match(lines.slice(1).join('\n'), / sleep 1000$/m)
  const own = await docker.ok(['top', container.id, '-o', 'pid,comm'])
  assert.match(own, /^PID\s+COMMAND\n/)
  assert.match(await docker.fails(['top', 'nosuch']), /No such container/)
})

test('stats tell what a container uses', async () => {
  await using container = await docker.container('-m', '64m', 'busybox', 'sh', '-c', 'while :; do :; done')
  const format = '{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.PIDs}}|{{.NetIO}}|{{.BlockIO}}'
  const [line] = (await docker.ok(['stats', '--no-stream', '--format', format, container.id])).split('\n')
  const [name, cpu, memory, pids, network] = line!.split('|')
  assert.equal(`/${name}`, await container.inspect('{{.Name}}'))
  const percent = Number(cpu!.replace('%', ''))
  // The whole is counted in timer ticks, of which an emulated guest on a busy host misses some.
  assert.ok(percent > 20 && percent <= 120, `a busy loop uses ${cpu}`)
  assert.match(memory!, /^[\d.]+(KiB|MiB) \/ (6\d(\.\d+)?|5\d(\.\d+)?)MiB$/)
  assert.equal(pids, '1')
  assert.match(network!, /^[\d.]+k?B \/ [\d.]+k?B$/)
})

test('stats of all containers flow until one has seen enough', async () => {
  await using container = await docker.container('--name', 'flowing', 'busybox', 'sleep', '1000')
  const { child, said } = docker.start(['stats', '--format', '{{.Name}} {{.MemPerc}}'])
  await until('two samples', () => (said().match(/flowing \d/g) ?? []).length >= 2, patience)
  child.kill('SIGKILL')
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
})

test('info and version say what this is', async () => {
  const info = JSON.parse(await docker.ok(['info', '--format', '{{json .}}']))
  assert.equal(info.Driver, 'squashfs')
  assert.equal(info.OSType, 'linux')
  assert.ok(info.NCPU >= 1 && info.MemTotal > 0 && info.Images >= 1)
  assert.ok(info.DriverStatus.some(([name]: string[]) => name === 'Hypervisor'))
  const version = JSON.parse(await docker.ok(['version', '--format', '{{json .Server}}']))
  assert.match(version.Version, /^\d+\.\d+\.\d+$/)
  assert.ok(version.Components.some((part: { Name: string }) => part.Name === 'hypervisor'))
})

test('disk usage is told by kind', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  const usage = await docker.ok(['system', 'df', '--format', '{{.Type}} {{.TotalCount}} {{.Active}}'])
  assert.match(usage, /^Images 1 1$/m)
  assert.match(usage, /^Containers 1 1$/m)
  assert.match(usage, /^Local Volumes 0 0$/m)
  assert.equal(await container.exec('echo', 'runs'), 'runs')
})
