/** The way of a user through the cloud, with each version of docker that this host has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { installedDockers } from '../../src/api/support/docker-command.ts'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { Docker, patience } from '../support/docker.ts'

const { daemon, registry } = await startCloud({ images: ['busybox'] })
const clients = installedDockers()

test('some docker command is installed', () => {
  assert.notEqual(clients.length, 0, 'set-up installs one')
})

for (const client of clients) {
  test(`docker ${client.version} pulls an image, runs it and removes it`, async () => {
    using docker = new Docker(daemon.socket, client)
    const image = `${registry.host}/busybox:multi`
    assert.match(await docker.ok(['pull', image]), /Status: Downloaded newer image/)
    assert.equal(await docker.ok(['run', '--rm', image, 'echo', 'hello']), 'hello')
    assert.match(await docker.ok(['images', image]), /multi/)
    assert.match(await docker.ok(['rmi', image]), /Untagged/)
  })

  test(`docker ${client.version} runs, watches and ends a container`, async () => {
    using docker = new Docker(daemon.socket, client)
    const events = docker.start([
      'events',
      '--since',
      String(Math.floor(Date.now() / 1000)),
      '--filter',
      'type=container',
      '--format',
      '{{.Action}}',
    ])
    const program = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'
    await using container = await docker.container('--name', 'core', 'busybox', 'sh', '-c', program)
    const following = docker.start(['logs', '-f', 'core'])
    await until('its output', () => following.said() === 'ready\n', patience)
    assert.equal(await docker.ok(['ps', '--format', '{{.Names}} {{.Image}}']), 'core busybox')
    assert.deepEqual(await docker.run(['exec', '-i', 'core', 'sh', '-c', 'cat; exit 9'], { input: 'in\n' }), {
      code: 9,
      stdout: 'in\n',
      stderr: '',
    })
    assert.match(await docker.ok(['top', 'core']), /sh -c/)
    const stats = ['stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}', 'core']
    assert.match(await docker.ok(stats), /^core [\d.]+[KM]iB \/ [\d.]+MiB$/)
    assert.equal(await docker.ok(['stop', 'core']), 'core')
    assert.equal(await docker.ok(['wait', 'core']), '3')
    assert.equal((await following.ended).code, 0)
    assert.equal(await docker.ok(['rm', 'core']), 'core')
    await until('the events', () => events.said().includes('destroy'), patience)
    const steps = events.said().trimEnd().split('\n')
    for (const step of ['create', 'start', 'exec_die', 'kill', 'die', 'stop', 'destroy']) {
      assert.ok(
        steps.some((action) => action.startsWith(step)),
        `${step} in ${steps.join(', ')}`,
      )
    }
    assert.notEqual(container.id, '')
  })

  test(`docker ${client.version} has a terminal, and detaches from it`, async () => {
    using docker = new Docker(daemon.socket, client)
    using terminal = docker.terminal(['run', '-it', '--name', 'core-terminal', 'busybox', 'sh'], {
      rows: 40,
      columns: 100,
    })
    await terminal.shows('/ # ')
    terminal.type('echo $((6 * 7))\n')
    await terminal.shows('\n42\r\n')
    terminal.type('\x10\x11')
    assert.equal((await terminal.ended).code, 0)
    assert.equal(await docker.inspect('core-terminal', '{{.State.Status}}'), 'running')
    await docker.ok(['rm', '--force', 'core-terminal'])
  })

  test(`docker ${client.version} is told who this is`, async () => {
    using docker = new Docker(daemon.socket, client)
    assert.match(
      await docker.ok(['version', '--format', '{{.Client.Version}} {{.Server.Version}}']),
      /^[\d.]+\S* \d+\.\d+\.\d+$/,
    )
    assert.match(await docker.ok(['info']), /Storage Driver: squashfs/)
    assert.match(await docker.ok(['network', 'ls']), /bridge/)
    assert.match(await docker.ok(['system', 'df']), /Images/)
    assert.equal(await docker.ok(['volume', 'ls', '-q']), '')
  })
}
