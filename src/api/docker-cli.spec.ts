/** The real docker command, in each version that is installed, against the front door over fakes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../lib/deadline.ts'
import { DockerCommand, type Ended, installedDockers, type Running } from './support/docker-command.ts'
import { Served } from './support/serve.ts'

const wait = { deadlineMs: 10_000 }

class Cli implements AsyncDisposable {
  readonly served: Served
  readonly #command: DockerCommand

  private constructor(served: Served, path: string) {
    this.served = served
    this.#command = new DockerCommand(path, served.socketPath)
  }

  static async start(path: string): Promise<Cli> {
    return new Cli(await Served.start(), path)
  }

  start(args: readonly string[]): Running {
    return this.#command.start(args)
  }

  async run(args: string, input = ''): Promise<Ended> {
    const { child, ended } = this.start(args.split(' '))
    child.stdin!.end(input)
    return ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#command[Symbol.dispose]()
    await this.served[Symbol.asyncDispose]()
  }
}

const clis = installedDockers()
test('some docker command is installed', { skip: clis.length > 0 ? false : 'none is' }, () => {})

for (const { path, version } of clis) {
  test(`docker ${version} runs containers in the foreground, with their output, input and exit code`, async () => {
    await using docker = await Cli.start(path)
    assert.deepEqual(await docker.run('run --rm busybox echo hello'), {
      code: 0,
      stdout: 'hello\n',
      stderr: '',
    })
    assert.deepEqual(await docker.run('run busybox both'), { code: 0, stdout: 'out\n', stderr: 'err\n' })
    assert.equal((await docker.run('run --rm busybox exit 42')).code, 42)
    assert.deepEqual(await docker.run('run -i --rm busybox cat', 'typed\n'), {
      code: 0,
      stdout: 'typed\n',
      stderr: '',
    })
    assert.equal((await docker.run('run busybox nosuch')).code, 127)
  })

  test(`docker ${version} runs containers in the background and shows them`, async () => {
    await using docker = await Cli.start(path)
    const { stdout: id } = await docker.run('run -d --name web -p 8080:80 --label app=web busybox sleep')
    assert.match(id, /^[0-9a-f]{64}\n$/)
    const ps = await docker.run(
      'ps --filter label=app=web --no-trunc --format {{.ID}}|{{.Names}}|{{.Ports}}|{{.Status}}',
    )
    assert.equal(ps.stdout, `${id.trim()}|web|0.0.0.0:8080->80/tcp|Up Less than a second\n`)
    assert.equal((await docker.run('port web')).stdout, '80/tcp -> 0.0.0.0:8080\n')
    assert.equal(
      (await docker.run('inspect --format {{.State.Status}}{{.NetworkSettings.IPAddress}} web')).stdout,
      'running172.30.0.2\n',
    )
    assert.match((await docker.run('top web')).stdout, /^UID .*CMD\nroot .*sleep\n$/)
    assert.match(
      (await docker.run('stats --no-stream --format {{.CPUPerc}}|{{.MemUsage}} web')).stdout,
      /^50\.00%\|20MiB \/ 128MiB\n$/,
    )
    assert.equal((await docker.run('stop -t 3 web')).stdout, 'web\n')
    assert.deepEqual(docker.served.cloud.containers.calls.at(-1), ['stop', 'web', { timeoutSeconds: 3 }])
    assert.equal((await docker.run('wait web')).stdout, '143\n')
    assert.equal((await docker.run('rm web')).stdout, 'web\n')
  })

  test(`docker ${version} executes further programs`, async () => {
    await using docker = await Cli.start(path)
    await docker.run('run -d --name c busybox sleep')
    assert.deepEqual(await docker.run('exec c echo hi'), { code: 0, stdout: 'hi\n', stderr: '' })
    assert.deepEqual(await docker.run('exec -i c cat', 'abc'), { code: 0, stdout: 'abc', stderr: '' })
    assert.equal((await docker.run('exec c exit 9')).code, 9)
    assert.equal((await docker.run('exec c nosuch')).code, 127)
    assert.equal((await docker.run('exec -d c sleep')).code, 0)
    const missing = await docker.run('exec nosuch true')
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /No such container: nosuch\n$/)
  })

  test(`docker ${version} follows logs and events`, async () => {
    await using docker = await Cli.start(path)
    const events = docker.start(['events', '--filter', 'event=die', '--format', '{{.Type}} {{.Action}}'])
    await docker.run('run -d --name c busybox cat')
    const logs = docker.start(['logs', '-f', 'c'])
    const { process } = docker.served.cloud.containers.entry({ project: 'default' }, 'c')
    process.output.write('stdout', 'first\n')
    await until('the first line', () => logs.said() === 'first\n', wait)
    process.output.write('stdout', 'second\n')
    process.exit(0)
    assert.equal((await logs.ended).stdout, 'first\nsecond\n')
    assert.equal((await docker.run('logs --tail 1 c')).stdout, 'second\n')
    await until('the event', () => events.said() === 'container die\n', wait)
  })

  test(`docker ${version} attaches, passes signals on, and detaches when killed`, async () => {
    await using docker = await Cli.start(path)
    await docker.run('run -d -i --name c busybox cat')
    const attached = docker.start(['attach', 'c'])
    const { process } = docker.served.cloud.containers.entry({ project: 'default' }, 'c')
    attached.child.stdin!.write('echoed\n')
    await until('the echo', () => attached.said() === 'echoed\n', wait)
    attached.child.kill('SIGTERM')
    assert.equal((await attached.ended).code, 137)
    assert.deepEqual(docker.served.cloud.containers.calls.at(-1)?.[0], 'kill')
    assert.equal(process.code, 137)
  })

  test(`docker ${version} pulls with progress, and lists and removes images`, async () => {
    await using docker = await Cli.start(path)
    const pulled = await docker.run('pull alpine:3')
    assert.match(pulled.stdout, /abc: Pull complete\nStatus: Downloaded newer image for .*alpine:3\n/)
    const broken = await docker.run('pull breaks:1')
    assert.deepEqual([broken.code, broken.stderr], [1, 'the layer is broken\n'])
    const run = await docker.run('run --rm fresh echo pulled')
    assert.deepEqual([run.code, run.stdout], [0, 'pulled\n'])
    assert.equal((await docker.run('images --format {{.Repository}}:{{.Tag}} alpine')).stdout, 'alpine:3\n')
    assert.match((await docker.run('history --no-trunc busybox')).stdout, /CMD \["sh"\][\s\S]*ADD root/)
    assert.equal((await docker.run('tag busybox mine:1')).code, 0)
    assert.match((await docker.run('rmi alpine:3')).stdout, /^Untagged: alpine:3\nDeleted: sha256:3+\n$/)
  })

  test(`docker ${version} is told who this is, and what it cannot have`, async () => {
    await using docker = await Cli.start(path)
    assert.match((await docker.run('version --format {{.Server.Version}}')).stdout, /^\d+\.\d+\.\d+\n$/)
    assert.equal(
      (await docker.run('info --format {{.Driver}}|{{.NCPU}}|{{.Swarm.LocalNodeState}}')).stdout,
      'squashfs|2|inactive\n',
    )
    assert.equal((await docker.run('network ls --format {{.Name}}')).stdout, 'bridge\nnone\n')
    assert.equal((await docker.run('volume ls -q')).stdout, '')
    assert.equal((await docker.run('system prune -f')).code, 0)
    assert.equal((await docker.run('system df')).code, 0)
    const bind = await docker.run('run -v /etc:/x busybox')
    assert.equal(bind.code, 125)
    assert.match(bind.stderr, /sees no files of a host/)
    assert.match((await docker.run('node ls')).stderr, /This node is not a swarm manager/)
  })
}
