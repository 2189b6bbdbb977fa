/** docker-compose of Debian, as it is, with an application of three services: compose/docker-compose.yml. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { type RunResult, run } from '../../src/lib/spawn.ts'
import { minuteMs, secondMs } from '../../src/lib/units.ts'
import { startCloud } from '../support/cloud.ts'

const { daemon, docker } = await startCloud({ images: ['redis', 'python:3'], poolSize: 2 })
const directory = join(import.meta.dirname, 'compose')
const project = `app${daemon.prefix}`
const patience = { deadlineMs: minuteMs, everyMs: 200 }

const program = (name: string) => readFileSync(join(directory, name), 'utf8')

function compose(...args: string[]): Promise<RunResult> {
  return run('docker-compose', ['--ansi', 'never', '--project-name', project, ...args], {
    cwd: directory,
    deadlineMs: 4 * minuteMs,
    env: {
      PATH: process.env.PATH,
      // Where docker-compose and the docker command that it calls keep what they keep: not with the user's.
      HOME: daemon.stateDir,
      DOCKER_HOST: `unix://${daemon.socket}`,
      COMPOSE_HTTP_TIMEOUT: '180',
      // Its interpolation would take what it knows of a dollar sign.
      WEB: program('web.py'),
      WORKER: program('worker.py'),
    },
  })
}

/** The id of a service's container, the first unless it is said which. */
const container = async (service: string, index = 0) =>
  (await compose('ps', '--quiet', service)).stdout.trim().split('\n')[index]!

async function ask(path: string): Promise<string> {
  const { stdout } = await compose('port', 'web', '8000')
  const answer = await fetch(`http://${stdout.trim()}${path}`, { signal: AbortSignal.timeout(30 * secondMs) })
  return (await answer.text()).replace(/^:/, '')
}

const answers = (path: string, expected: string) =>
  until(
    `${path} to answer ${expected}`,
    () =>
      ask(path).then(
        (said) => said === expected,
        () => false,
      ),
    patience,
  )

test('up starts all of it, in order, with its network and its volume', async () => {
  const { stderr } = await compose('up', '--detach')
  assert.match(stderr, /Creating network "\w+_back"/)
  assert.match(stderr, /Creating volume "\w+_data"/)
  const { stdout } = await compose('ps', '--services', '--filter', 'status=running')
  assert.deepEqual(stdout.trim().split('\n').sort(), ['redis', 'web', 'worker'])
  await until(
    'redis to be healthy',
    async () => (await docker.inspect(await container('redis'), '{{.State.Health.Status}}')) === 'healthy',
    patience,
  )
})

test('the services find one another by name and by alias', async () => {
  await answers('/', '1')
  await ask('/job/first')
  await answers('/done', '1')
  const { stdout } = await compose('logs', '--no-color')
  assert.match(stdout, /web_1 +\| asked for \/job\/first/)
  assert.match(stdout, /worker_1 +\| did first/)
})

test('exec and run act inside', async () => {
  const { stdout } = await compose('exec', '-T', 'redis', 'redis-cli', 'GET', 'hits')
  assert.match(stdout, /^"?1"?$/m)
  const once = await compose('run', '--rm', '-T', 'worker', 'python3', '-c', 'print(6 * 7)')
  assert.match(once.stdout, /^42$/m)
})

test('scale makes more of one, and they share the work', async () => {
  await compose('up', '--detach', '--scale', 'worker=3')
  const { stdout: workers } = await compose('ps', '--quiet', 'worker')
  assert.equal(workers.trim().split('\n').length, 3)
  await until(
    'three workers to be ready',
    async () => (await compose('logs', '--no-color', 'worker')).stdout.match(/worker ready/g)?.length === 3,
    patience,
  )
  for (let job = 0; job < 6; job++) await ask(`/job/job${job}`)
  await answers('/done', '7')
  await compose('up', '--detach', '--scale', 'worker=1')
  const { stdout: left } = await compose('ps', '--quiet', 'worker')
  assert.equal(left.trim().split('\n').length, 1)
})

test('up again leaves what is as it should be, and a changed service is made anew', async () => {
  const before = await container('web')
  const { stderr } = await compose('up', '--detach')
  assert.match(stderr, /redis_1 is up-to-date/)
  assert.equal(await container('web'), before)
  await compose('up', '--detach', '--force-recreate', '--no-deps', 'web')
  assert.notEqual(await container('web'), before)
  await answers('/', '2')
})

test('stop, start, restart, pause and kill reach the services', async () => {
  await compose('stop', 'worker')
  assert.equal(await docker.inspect(await container('worker'), '{{.State.Status}}'), 'exited')
  await compose('start', 'worker')
  await compose('pause', 'web')
  assert.equal(await docker.inspect(await container('web'), '{{.State.Status}}'), 'paused')
  await compose('unpause', 'web')
  await compose('restart', '--timeout', '1', 'web')
  await answers('/', '3')
})

test('down keeps the volume, and the next up finds what was in it', async () => {
  await compose('down', '--timeout', '5')
  assert.equal(await docker.ok(['ps', '--all', '--quiet']), '')
  assert.doesNotMatch(await docker.ok(['network', 'ls']), new RegExp(project))
  assert.equal(await docker.ok(['volume', 'ls', '--quiet']), `${project}_data`)
  await compose('up', '--detach')
  await answers('/', '4')
})

test('down with volumes leaves nothing', async () => {
  await compose('down', '--volumes', '--timeout', '1')
  assert.equal(await docker.ok(['ps', '--all', '--quiet']), '')
  assert.equal(await docker.ok(['volume', 'ls', '--quiet']), '')
  assert.doesNotMatch(await docker.ok(['network', 'ls']), new RegExp(project))
})
