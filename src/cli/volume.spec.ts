import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { Served } from '../api/support/serve.ts'
import { createClient } from './client.ts'
import { addVolumeCommands } from './volume.ts'

async function opened() {
  const served = await Served.start()
  await served.ask('POST', '/volumes/create', { Name: 'data' })
  const hb = async (...args: string[]) => {
    let said = ''
    const program = new Command('hb').exitOverride()
    const env = { DOCKER_HOST: `unix://${served.socketPath}` }
    addVolumeCommands(program, env, (text) => {
      said += text
    })
    await program.parseAsync(['volume', ...args], { from: 'user' })
    return said
  }
  return { served, hb, [Symbol.asyncDispose]: () => served[Symbol.asyncDispose]() }
}

test('volumes and snapshots are printed as tables, or as JSON', async () => {
  await using door = await opened()
  const { hb } = door
  assert.match(
    await hb('ls'),
    /^VOLUME +SIZE +USED +CONTAINERS +ATTACHED TO +CREATED\ndata +1 GiB +1 KiB +0 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$/,
  )
  assert.equal(await hb('snapshot', 'data', 'first'), 'first\n')
  assert.match(await hb('snapshot', 'data'), /^\d{8}-\d{6}-\d{3}\n$/)
  assert.match(await hb('snapshots', 'data'), /\ndata +first +1 GiB +512 B +\d{4}-/)
  assert.equal(JSON.parse(await hb('snapshots', '--json')).length, 2)
  assert.equal(await hb('snapshot', 'rm', 'data', 'first'), 'first\n')
  assert.equal(JSON.parse(await hb('snapshots', '--json')).length, 1)
})

test('what is asked for reaches the daemon', async () => {
  await using door = await opened()
  const { hb, served } = door
  assert.equal(await hb('grow', 'data', '20G'), 'data 20 GiB\n')
  assert.equal(await hb('restore', 'data', 'first'), 'data\n')
  assert.equal(await hb('clone', 'data', 'copy', '--snapshot', 'first'), 'copy\n')
  assert.deepEqual(JSON.parse(await hb('restore', 'data', 'first', '--json')), {
    volume: 'data',
    snapshot: 'first',
  })
  assert.deepEqual(served.cloud.volumes.asked.slice(0, 3), [
    { grow: 'data', sizeBytes: 20 * 2 ** 30 },
    { restore: 'data', snapshot: 'first' },
    { clone: 'data', name: 'copy', snapshot: 'first' },
  ])
})

test('a refusal is told in the words of the daemon', async () => {
  await using door = await opened()
  await assert.rejects(door.hb('grow', 'nope', '20G'), { message: 'get nope: no such volume' })
  await assert.rejects(door.hb('grow', 'data', 'much'), { message: 'much is no size: say it as 20G or 512M' })
  await assert.rejects(door.hb('snapshot', 'rm', 'data', 'x'), { message: 'get data: no such snapshot: x' })
  await assert.rejects(door.hb('ls', '-H', 'unix:///nonexistent'), {
    message:
      /^Cannot connect to the Hummingbird daemon at unix:\/\/\/nonexistent: .*ENOENT.*Is it running\?$/,
  })
})

test('an address that is none is refused', () => {
  for (const address of ['ssh://host', 'unix://relative', 'tcp://host', '/var/run/docker.sock']) {
    assert.throws(
      () => createClient(address, {}),
      { code: 'bad_host', message: /is no address of a daemon/ },
      address,
    )
  }
  assert.throws(
    () => createClient('tcp://h:1', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/nonexistent' }),
    {
      code: 'no_certificate',
    },
  )
})
