/** Building images with clients as they are: docker-compose, dockerode, testcontainers and python3-docker. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Dockerode from 'dockerode'
import { run } from '../../src/lib/spawn.ts'
import { startCloud } from '../support/cloud.ts'

const { daemon, docker } = await startCloud({ images: ['busybox'] })
const directory = mkdtempSync(join(tmpdir(), 'hb-build-clients-'))
after(() => rmSync(directory, { recursive: true }))
const write = (name: string, content: string) => writeFileSync(join(directory, name), content)
write(
  'Dockerfile',
  'FROM busybox AS made\nARG BY\nCOPY greeting /\nRUN echo "$(cat /greeting) $BY" > /said\nCMD ["cat", "/said"]\n',
)
write('greeting', 'made by')
const environment = { ...docker.command.environment, HOME: directory, PATH: process.env.PATH }

test('docker-compose builds what its file says, and runs it', async () => {
  const service = { build: { context: '.', args: { BY: 'compose' }, target: 'made', labels: { a: 'b' } } }
  write('docker-compose.yml', JSON.stringify({ version: '3', services: { web: service } }))
  const compose = (...args: string[]) =>
    run('docker-compose', ['--ansi', 'never', '--project-name', 'built', ...args], {
      cwd: directory,
      env: environment,
      deadlineMs: 120_000,
    })
  const { stdout } = await compose('build')
  assert.match(stdout, /Successfully tagged built_web:latest/)
  assert.equal((await compose('run', '--rm', '-T', 'web')).stdout, 'made by compose\n')
  assert.equal(await docker.inspect('built_web', '{{index .Config.Labels "a"}}'), 'b')
  await compose('down')
})

test('dockerode builds of a stream, and tells of each step', async () => {
  const client = new Dockerode({ socketPath: daemon.socket })
  const options = { t: 'rode:1', buildargs: { BY: 'dockerode' }, labels: { a: 'b' } }
  const stream = await client.buildImage({ context: directory, src: ['Dockerfile', 'greeting'] }, options)
  const lines = await new Promise<{ stream?: string; aux?: { ID: string } }[]>((resolve, reject) => {
    client.modem.followProgress(stream, (error, all) => (error ? reject(error) : resolve(all)))
  })
  assert.equal(lines.at(-1)!.stream, 'Successfully tagged rode:1\n')
  assert.equal(lines.findLast(({ aux }) => aux)!.aux!.ID, await docker.inspect('rode:1', '{{.Id}}'))
  assert.equal(await docker.ok(['run', '--rm', 'rode:1']), 'made by dockerode')
})

const script = `
import docker, io, sys
client = docker.from_env()
image, lines = client.images.build(path=sys.argv[1], tag='py:1', rm=True, buildargs={'BY': 'python'}, nocache=True)
assert image.tags == ['py:1'], image.tags
assert any('Step 5/5' in line.get('stream', '') for line in lines)
print(client.containers.run('py:1', remove=True).decode(), end='')
quiet, _ = client.images.build(fileobj=io.BytesIO(b'FROM busybox\\nENV A=1\\n'), quiet=True)
assert 'A=1' in quiet.attrs['Config']['Env']
try:
    client.images.build(fileobj=io.BytesIO(b'FROM busybox\\nRUN exit 4\\n'), rm=True, forcerm=True)
    raise SystemExit('a command that failed was not told of')
except docker.errors.BuildError as error:
    print(error)
`

test('python3-docker builds of a path and of a file, and hears of what fails', async () => {
  const { stdout } = await run('/usr/bin/python3', ['-c', script, directory], {
    env: environment,
    deadlineMs: 120_000,
  })
  assert.equal(stdout, "made by python\nThe command '/bin/sh -c exit 4' returned a non-zero code: 4\n")
  assert.equal(await docker.ok(['ps', '-aq']), '')
})

test('testcontainers builds what it starts', async (t) => {
  // It leaves a lock in TMPDIR.
  const TMPDIR = mkdtempSync(join(tmpdir(), 'hb-testcontainers-'))
  t.after(() => rmSync(TMPDIR, { recursive: true }))
  const variables = { DOCKER_HOST: `unix://${daemon.socket}`, TESTCONTAINERS_RYUK_DISABLED: 'true', TMPDIR }
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name]
    process.env[name] = value
    t.after(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
  const { GenericContainer, Wait } = await import('testcontainers')
  const image = await GenericContainer.fromDockerfile(directory)
    .withBuildArgs({ BY: 'testcontainers' })
    .withTarget('made')
    .build('contained:1', { deleteOnExit: false })
  await using container = await image
    .withCommand(['sh', '-c', 'echo ready; exec sleep 1000'])
    .withWaitStrategy(Wait.forLogMessage('ready'))
    .start()
  assert.equal((await container.exec(['cat', '/said'])).output, 'made by testcontainers\n')
})
