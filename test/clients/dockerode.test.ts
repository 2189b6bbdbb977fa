/** dockerode, as it is: paths without a version, queries with more than is meant, bodies on hijacked requests. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { test } from 'node:test'
import Dockerode from 'dockerode'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { patience } from '../support/docker.ts'

const { daemon, registry } = await startCloud({ images: ['busybox'] })
const client = new Dockerode({ socketPath: daemon.socket })

function gathered(stream: Readable) {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}

/** Splits framed output, as dockerode does for its users. */
function split(stream: NodeJS.ReadableStream) {
  const [out, err] = [new PassThrough(), new PassThrough()]
  client.modem.demuxStream(stream, out, err)
  return { out: gathered(out), err: gathered(err) }
}

test('run, with the output of both streams and the exit code', async () => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const said = { out: gathered(out), err: gathered(err) }
  const command = ['sh', '-c', 'echo out; echo err >&2; exit 4']
  const [{ StatusCode }, container] = await client.run('busybox', command, [out, err], { Tty: false })
  assert.equal(StatusCode, 4)
  assert.deepEqual([said.out(), said.err()], ['out\n', 'err\n'])
  await container.remove()
  await assert.rejects(client.getContainer('nosuch').inspect(), { statusCode: 404 })
})

test('create, attach both ways, exec, stats, rename, stop, wait and remove', async () => {
  const container = await client.createContainer({
    ...{ Image: 'busybox', name: 'rode', Cmd: ['cat'], OpenStdin: true, StdinOnce: true },
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, HostConfig: { Memory: 64 << 20 } },
  })
  const streams = { stream: true, stdin: true, stdout: true, stderr: true }
  const attached = await container.attach({ ...streams, hijack: true })
  const said = split(attached)
  await container.start()
  attached.write('typed\n')
  await until('the input to come back', () => said.out() === 'typed\n', patience)

  const exec = await container.exec({
    ...{ Cmd: ['sh', '-c', 'echo $E; cat; exit 5'], Env: ['E=1'] },
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true },
  })
  const session = await exec.start({ hijack: true, stdin: true })
  const answer = split(session)
  const over = once(session, 'end')
  session.end('to the exec\n')
  await over
  assert.equal(answer.out(), '1\nto the exec\n')
  assert.equal((await exec.inspect()).ExitCode, 5)
  const plain = await container.exec({ Cmd: ['echo', 'plain'], AttachStdout: true })
  const plainOutput = split(await plain.start({}))
  await until('the output', () => plainOutput.out() === 'plain\n', patience)

  const stats = await container.stats({ stream: false })
  assert.equal(stats.memory_stats.limit, 64 << 20)
  const listed = await client.listContainers({ filters: { name: ['rode'] } })
  assert.deepEqual(
    listed.map(({ Names }) => Names),
    [['/rode']],
  )
  await container.rename({ name: 'ridden' })
  const waited = container.wait({ condition: 'next-exit' })
  attached.end()
  assert.equal((await waited).StatusCode, 0)
  const { State, Name } = await container.inspect()
  assert.deepEqual([State.Status, State.ExitCode, Name], ['exited', 0, '/ridden'])
  assert.equal((await container.logs({ stdout: true })).subarray(8).toString(), 'typed\n')
  await container.remove({ v: true })
})

test('events come as they happen', async () => {
  const events = (await client.getEvents({ filters: { type: ['container'], label: ['rode=1'] } })) as Readable
  const said = gathered(events)
  const container = await client.createContainer({ Image: 'busybox', Cmd: ['true'], Labels: { rode: '1' } })
  await container.start()
  await container.wait()
  await container.remove()
  await until('the last event', () => said().includes('"destroy"'), patience)
  const actions = said()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).Action)
  assert.deepEqual(actions, ['create', 'start', 'die', 'destroy'])
  events.destroy()
})

test('pull tells of its progress, and a registry is asked without pulling', async () => {
  const name = `${registry.host}/busybox:latest`
  const stream = await client.pull(name)
  const lines = await new Promise<{ status?: string }[]>((resolve, reject) => {
    client.modem.followProgress(stream, (error: Error | null, all) => (error ? reject(error) : resolve(all)))
  })
  assert.ok(lines.some(({ status }) => status?.startsWith('Status: ')))
  const { Descriptor, Platforms } = await client.getImage(name).distribution()
  assert.match(Descriptor.digest, /^sha256:[0-9a-f]{64}$/)
  assert.ok(Descriptor.size > 0 && Descriptor.mediaType.includes('manifest'))
  assert.deepEqual(Platforms, [{ architecture: 'amd64', os: 'linux' }])
  await assert.rejects(client.getImage(`${registry.host}/nosuch:1`).distribution(), { statusCode: 404 })
  const { RepoTags, Config } = await client.getImage(name).inspect()
  assert.ok(RepoTags.includes(name) && Config)
  await client.getImage(name).remove()
})

test('the whole tells of itself', async () => {
  const [info, version] = await Promise.all([client.info(), client.version()])
  assert.equal(info.OSType, 'linux')
  assert.ok(version.ApiVersion)
  assert.ok((await client.df()).Images.length >= 1)
  assert.ok((await client.listNetworks()).some(({ Name }) => Name === 'bridge'))
  assert.equal((await client.ping()).toString(), 'OK')
})
