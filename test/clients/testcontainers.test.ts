/** testcontainers for Node, as it is, without its reaper: that would need this API's socket in a container. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { freePort } from '../../src/images/support/registry.ts'
import { startCloud } from '../support/cloud.ts'

const port = await freePort()
await startCloud({ images: ['busybox'], args: ['--tcp', `127.0.0.1:${port}`] })
// Over TCP the host of the published ports is that of the API, also where these tests run in a container themselves.
const environment = {
  DOCKER_HOST: `tcp://127.0.0.1:${port}`,
  TESTCONTAINERS_RYUK_DISABLED: 'true',
  // It leaves a lock there.
  TMPDIR: mkdtempSync(join(tmpdir(), 'hb-testcontainers-')),
}
const before = Object.keys(environment).map((name) => [name, process.env[name]] as const)
Object.assign(process.env, environment)
after(() => {
  rmSync(environment.TMPDIR, { recursive: true })
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})
const { GenericContainer, Network, Wait } = await import('testcontainers')

const serve = 'echo it works > /index.html; echo ready; exec httpd -f -p 8080 -h /'

test('a container is waited for by its log and its port, and is asked by the port that was mapped', async () => {
  await using container = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', serve])
    .withExposedPorts(8080)
    .withEnvironment({ GREETING: 'hello' })
    .withLabels({ suite: 'testcontainers' })
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage('ready'), Wait.forListeningPorts()]))
    .withStartupTimeout(60_000)
    .start()
  const url = `http://${container.getHost()}:${container.getMappedPort(8080)}/`
  assert.equal(await (await fetch(url)).text(), 'it works\n')
  const { output, exitCode } = await container.exec(['sh', '-c', 'echo $GREETING; exit 6'])
  assert.deepEqual([output, exitCode], ['hello\n', 6])
  const logs = await container.logs()
  const [first] = (await logs.take(1).toArray()) as Buffer[]
  assert.match(String(first), /ready/)
  await container.restart()
  assert.equal((await container.exec(['echo', 'again'])).output, 'again\n')
})

test('a container is waited for by HTTP, by a command, by its health and by its end', async () => {
  const web = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', serve])
    .withExposedPorts(8080)
    .withHealthCheck({
      test: ['CMD-SHELL', 'wget -qO- http://127.0.0.1:8080/'],
      interval: 1_000,
      retries: 30,
      timeout: 5_000,
    })
    .withWaitStrategy(
      Wait.forAll([
        Wait.forHttp('/index.html', 8080).forStatusCode(200),
        Wait.forSuccessfulCommand('test -e /index.html'),
        Wait.forHealthCheck(),
      ]),
    )
    .withStartupTimeout(60_000)
    .start()
  await web.stop()
  const once = await new GenericContainer('busybox')
    .withCommand(['true'])
    .withWaitStrategy(Wait.forOneShotStartup())
    .start()
  await once.stop()
})

test('files are copied into a container before it starts and while it runs, and out of it', async () => {
  await using container = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', 'cat /etc/given/first; exec sleep 1000'])
    .withCopyContentToContainer([{ content: 'given before\n', target: '/etc/given/first', mode: 0o640 }])
    .withWaitStrategy(Wait.forLogMessage('given before'))
    .start()
  await container.copyContentToContainer([{ content: 'given later\n', target: '/etc/given/second' }])
  const seen = await container.exec(['sh', '-c', 'stat -c %a /etc/given/first; cat /etc/given/second'])
  assert.equal(seen.output, '640\ngiven later\n')
  const archive = await container.copyArchiveFromContainer('/etc/given')
  const bytes = (await buffer(archive)).toString('latin1')
  assert.ok(bytes.includes('given/second') && bytes.includes('given before\n'))
  assert.match(await container.commit({ repo: 'committed', tag: '1', deleteOnExit: false }), /^sha256:/)
})

test('containers in a network of their own find one another by alias', async () => {
  await using network = await new Network().start()
  await using web = await new GenericContainer('busybox')
    .withCommand(['sh', '-c', serve])
    .withNetwork(network)
    .withNetworkAliases('web')
    .withWaitStrategy(Wait.forLogMessage('ready'))
    .start()
  const client = new GenericContainer('busybox').withNetwork(network).withCommand(['sleep', '1000'])
  await using other = await client.start()
  const fetched = [
    'sh',
    '-c',
    'for i in 1 2 3 4 5 6 7 8 9; do wget -qO- http://web:8080/ && exit; sleep 1; done',
  ]
  assert.equal((await other.exec(fetched)).output.split('\n').at(-2), 'it works')
  assert.ok(web.getIpAddress(network.getName()))
})
