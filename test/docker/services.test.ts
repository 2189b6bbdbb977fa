/** Real programs: nginx, redis and python from Debian's packages. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { freePort } from '../../src/images/support/registry.ts'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { docker } = await startCloud({ images: ['nginx', 'redis', 'python:3', 'debian:12'] })

test('nginx serves its page, and logs who asked', async () => {
  const port = await freePort()
  await using container = await docker.container('-p', `127.0.0.1:${port}:80`, 'nginx')
  const page = await until(
    'nginx to answer',
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/`)
      return answer.status === 200 && answer.text()
    },
    patience,
  )
  assert.match(page, /Welcome to nginx!/)
  assert.equal((await fetch(`http://127.0.0.1:${port}/nosuch`)).status, 404)
  await container.says(/"GET \/nosuch HTTP\/1\.1" 404/)
  await docker.ok(['stop', container.id])
  assert.equal(await container.inspect('{{.State.ExitCode}}'), '0')
})

/** One command in the inline form of redis' protocol, and QUIT, so that the answer ends. */
async function redis(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${command}\r\nQUIT\r\n`)
  return (await text(socket)).replace(/\+OK\r\n$/, '')
}

test('redis answers PING, and keeps a key over a restart', async () => {
  const port = await freePort()
  await using container = await docker.container('-p', `127.0.0.1:${port}:6379`, 'redis')
  const ready = () =>
    until('redis answers PING', async () => (await redis(port, 'PING')) === '+PONG\r\n', patience)
  await ready()
  assert.equal(await redis(port, 'SET bird humming'), '+OK\r\n')
  assert.equal(await container.exec('redis-cli', 'GET', 'bird'), 'humming')
  await docker.ok(['restart', container.id])
  await ready()
  assert.equal(await redis(port, 'GET bird'), '$7\r\nhumming\r\n')
})

test('python runs a script from its standard input', async () => {
  const script = 'import sys, os\nprint("sum", sum(range(1001)), os.getpid())\nsys.exit(7)\n'
  const { code, stdout } = await docker.run(['run', '--rm', '-i', 'python:3', 'python3', '-'], {
    input: script,
  })
  assert.deepEqual([code, stdout], [7, 'sum 500500 1\n'])
})

test('a system of Debian runs its own tools, and installs a package it is given', async () => {
  const release = await docker.ok([
    'run',
    '--rm',
    'debian:12',
    'bash',
    '-c',
    '. /etc/os-release; echo $ID-$VERSION_ID',
  ])
  assert.equal(release, 'debian-12')
  const script =
    'dpkg --version | head -1; perl -e "print 6 * 7"; useradd -m bob && su bob -c "id -un; touch ~/x"; ls -ln /home/bob/x'
  const said = await docker.ok(['run', '--rm', 'debian:12', 'bash', '-ec', script])
  assert.match(said, /^Debian 'dpkg'/)
  assert.match(said, /^42bob$/m)
  assert.match(said, /^-rw-.* 1000 1000 .*\/home\/bob\/x$/m)
})
