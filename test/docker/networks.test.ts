/** Networks: ports published on the host, containers among themselves, and the way out. */
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { freePort } from '../../src/images/support/registry.ts'
import { until } from '../../src/lib/deadline.ts'
import { probeHost } from '../../src/networks/builtin/host-ports.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'
import { Internet } from '../support/internet.ts'

const { docker } = await startCloud({ images: ['busybox', 'nginx'] })
const page = (text: string) => `mkdir /www; echo ${text} > /www/index.html; exec httpd -f -p 80 -h /www`
const web = (text: string, ...options: string[]) =>
  docker.container(...options, 'busybox', 'sh', '-c', page(text))
const ask = (url: string) =>
  fetch(url, { signal: AbortSignal.timeout(5_000) }).then((answer) => answer.text())
const answers = (url: string, text: string) =>
  until(`${url} to answer ${text}`, async () => (await ask(url)) === `${text}\n`, patience)
const refuses = (url: string) =>
  until(
    `${url} to refuse`,
    () =>
      ask(url).then(
        () => false,
        () => true,
      ),
    patience,
  )

/** A daemon's own link to a network, where nobody else is. Those of daemons of other tests come and go meanwhile. */
const linkNetmask = '255.255.255.252'

/** Addresses of the host on which others could reach it. */
const hostAddresses = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ family, internal, netmask }) => family === 'IPv4' && !internal && netmask !== linkNetmask)
  .map(({ address }) => address)

test('a published port answers on loopback and on every address of the host', async () => {
  const port = await freePort()
  await using container = await web('published', '-p', `${port}:80`)
  for (const address of ['127.0.0.1', ...hostAddresses])
    await answers(`http://${address}:${port}/`, 'published')
  assert.match(await docker.ok(['port', container.id]), new RegExp(`^80/tcp -> 0\\.0\\.0\\.0:${port}$`, 'm'))
  assert.match(await docker.ok(['port', container.id, '80']), new RegExp(`0\\.0\\.0\\.0:${port}`))
  await docker.ok(['stop', '-t', '0', container.id])
  await refuses(`http://127.0.0.1:${port}/`)
  await docker.ok(['start', container.id])
  await answers(`http://127.0.0.1:${port}/`, 'published')
})

test('a port published on one address answers there only', async () => {
  const port = await freePort()
  await using _ = await web('loopback', '-p', `127.0.0.1:${port}:80`)
  await answers(`http://127.0.0.1:${port}/`, 'loopback')
  for (const address of hostAddresses) await assert.rejects(ask(`http://${address}:${port}/`))
})

test('a port nobody named is chosen, and -P publishes all that the image exposes', async () => {
  await using one = await web('chosen', '-p', '80')
  const [, chosen] = /0\.0\.0\.0:(\d+)/.exec(await docker.ok(['port', one.id, '80/tcp']))!
  await answers(`http://127.0.0.1:${chosen}/`, 'chosen')
  await using all = await docker.container('-P', 'nginx')
  const [, port] = /^80\/tcp -> 0\.0\.0\.0:(\d+)$/m.exec(await docker.ok(['port', all.id]))!
  await until(
    'nginx to answer',
    async () => (await ask(`http://127.0.0.1:${port}/`)).includes('nginx'),
    patience,
  )
})

test('-P publishes each port that --expose names', async () => {
  await using all = await docker.container('-P', '--expose', '7000-7001', 'busybox', 'sleep', '1000')
  const published = (await docker.ok(['port', all.id])).split('\n').map((line) => line.split(' -> ')[0])
  assert.deepEqual(new Set(published), new Set(['7000/tcp', '7001/tcp']))
})

test('of a range of host ports the first free one is taken, until there is none', async () => {
  const first = await until(
    'two free ports side by side',
    async () => {
      const port = await freePort()
      const next = { protocol: 'tcp', hostAddress: '', hostPort: port + 1 } as const
      return (await probeHost(next)) === 'free' && port
    },
    patience,
  )
  const range = `${first}-${first + 1}:80`
  await using one = await web('one', '-p', range)
  await using two = await web('two', '-p', range)
  assert.match(await docker.ok(['port', one.id]), new RegExp(`0\\.0\\.0\\.0:${first}$`, 'm'))
  assert.match(await docker.ok(['port', two.id]), new RegExp(`0\\.0\\.0\\.0:${first + 1}$`, 'm'))
  await answers(`http://127.0.0.1:${first + 1}/`, 'two')
  const refused = await docker.fails(['run', '--name', 'third', '-p', range, 'busybox', 'true'], 125)
  assert.match(refused, new RegExp(`Bind for 0.0.0.0:${range.slice(0, -3)} failed: all ports are allocated`))
  await docker.ok(['rm', 'third'])
})

test('a port that is taken is refused, and the container is not started', async () => {
  const port = await freePort()
  await using _ = await web('first', '-p', `${port}:80`)
  const refused = await docker.fails(['run', '--name', 'late', '-p', `${port}:80`, 'busybox', 'true'], 125)
  assert.match(refused, /port is already allocated/)
  assert.equal(await docker.inspect('late', '{{.State.Status}}'), 'created')
  await docker.ok(['rm', 'late'])
})

test('containers reach one another by their addresses', async () => {
  await using server = await web('neighbour')
  const address = await server.inspect('{{.NetworkSettings.IPAddress}}')
  const get = ['run', '--rm', 'busybox', 'wget', '-qO-', `http://${address}/`]
  await until(
    'the neighbour to answer',
    async () => (await docker.run(get)).stdout === 'neighbour\n',
    patience,
  )
  const ping = await docker.ok(['run', '--rm', 'busybox', 'ping', '-c', '1', '-W', '5', address])
  assert.match(ping, /1 packets received|1 received/)
})

test('a container reaches what is outside, and the world sees the host', async () => {
  await using internet = await Internet.open()
  const { address, hostEnd } = internet
  assert.equal(await docker.ok(['run', '--rm', 'busybox', 'nc', address, '7000']), `hello ${hostEnd}`)
})

test('names are asked of the servers that are given', async () => {
  await using internet = await Internet.open()
  const dns = ['run', '--rm', '--dns', internet.address, 'busybox']
  const found = await docker.ok([...dns, 'nslookup', '-type=a', 'there.example'])
  assert.match(found, new RegExp(`Address: ${internet.address.replaceAll('.', '\\.')}$`, 'm'))
  assert.match(await docker.ok([...dns, 'nc', 'there.example', '7000']), /^hello /)
})

test('the world reaches a published port, and the container sees who asks', async () => {
  await using internet = await Internet.open()
  const port = await freePort()
  const serve = 'while :; do nc -l -p 80 -e sh -c "echo served"; done'
  await using container = await docker.container('-p', `${port}:80`, 'busybox', 'sh', '-c', serve)
  await until('an answer', async () => (await internet.ask(internet.hostEnd, port)) === 'served\n', patience)
  assert.equal(await container.inspect('{{.State.Running}}'), 'true')
})

test('without a network there is loopback alone', async () => {
  const links = await docker.ok(['run', '--rm', '--network', 'none', 'busybox', 'ls', '/sys/class/net'])
  assert.ok(links.split('\n').includes('lo') && !links.includes('eth'), links)
  const ended = await docker.run([
    'run',
    '--rm',
    '--network',
    'none',
    'busybox',
    'ping',
    '-c',
    '1',
    '-W',
    '1',
    '192.0.2.1',
  ])
  assert.match(ended.stderr, /[Nn]etwork is unreachable/)
  assert.match(
    await docker.ok(['run', '--rm', '--network', 'none', 'busybox', 'ping', '-c', '1', '127.0.0.1']),
    /1 packets received/,
  )
})

test('the network and who is in it are shown', async () => {
  await using container = await docker.container('--name', 'inside', 'busybox', 'sleep', '1000')
  assert.equal(
    await docker.ok(['network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}']),
    'bridge bridge local\nnone null local',
  )
  const [network] = JSON.parse(await docker.ok(['network', 'inspect', 'bridge']))
  assert.equal(network.Containers[container.id].Name, 'inside')
  assert.match(network.IPAM.Config[0].Subnet, /^10\.\d+\.\d+\.0\/24$/)
})
