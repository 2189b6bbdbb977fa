/** Sandboxes are clones of one template: they must not share what makes them different, and many can be had at once. */
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { until } from '../../src/lib/deadline.ts'
import { startCloud } from '../support/cloud.ts'
import { type Container, type Docker, patience } from '../support/docker.ts'

const { daemon, docker } = await startCloud({ images: ['busybox', 'python:3'], poolSize: 2 })

/** Everything that a clone could have from its template, as the first thing that runs in it. */
const identity = `
import os
read = lambda path: open(path, 'rb').read(16).hex()
print(os.getrandom(16).hex())
print(read('/dev/urandom'), read('/dev/random'))
print(read('/proc/sys/kernel/random/boot_id'), read('/proc/sys/kernel/random/uuid'))
print(hash('salted'), id(os))
print(open('/sys/class/net/eth0/address').read().strip())
print(os.uname().nodename)
`

test('two clones share no random number, no identity and no address', async () => {
  const run = ['run', '--rm', '-i', 'python:3', 'python3', '-']
  const seen = await Promise.all([1, 2, 3].map(() => docker.ok(run, { input: identity })))
  const words = seen.map((output) => output.split(/\s+/))
  for (const [index, word] of words[0]!.entries()) {
    const same = words.map((list) => list[index])
    assert.equal(new Set(same).size, words.length, `clones share ${word}: ${same.join(' ')}`)
  }
})

/** By how much the clock of the container differs from the host's, by the best of several questions. */
async function clockDifferenceMs(docker: Docker): Promise<{ differenceMs: number; roundTripMs: number }> {
  const program = 'import sys, time\nfor _ in sys.stdin: print(time.time_ns(), flush=True)'
  const { child, ended } = docker.start(['run', '--rm', '-i', 'python:3', 'python3', '-c', program])
  const answers = createInterface(child.stdout!)[Symbol.asyncIterator]()
  let best = { differenceMs: 0, roundTripMs: Number.POSITIVE_INFINITY }
  for (let turn = 0; turn < 20; turn++) {
    const asked = Date.now()
    child.stdin!.write('?\n')
    const guest = Number(BigInt(String((await answers.next()).value)) / 1_000n) / 1_000
    const answered = Date.now()
    // The guest looked at its clock somewhere between: what lies outside of that is the difference.
    const differenceMs = guest < asked ? guest - asked : guest > answered ? guest - answered : 0
    if (answered - asked < best.roundTripMs) best = { differenceMs, roundTripMs: answered - asked }
  }
  child.stdin!.end()
  await ended
  return best
}

test("a clone's clock is the host's, within 50 ms", async (t) => {
  const differences: number[] = []
  for (const _ of [1, 2, 3]) {
    const { differenceMs, roundTripMs } = await clockDifferenceMs(docker)
    t.diagnostic(`differs by ${differenceMs.toFixed(1)} ms, asked within ${roundTripMs.toFixed(1)} ms`)
    assert.ok(roundTripMs < 100, `a round trip of ${roundTripMs} ms tells nothing`)
    differences.push(Math.abs(differenceMs))
  }
  assert.ok(Math.max(...differences) <= 50, `the clocks differ by ${differences.join(', ')} ms`)
})

test('the clock of a sandbox that was paused is right again', async () => {
  await using container = await docker.container('busybox', 'sleep', '1000')
  await docker.ok(['pause', container.id])
  const paused = Date.now()
  await until('a second and a half', () => Date.now() - paused > 1_500, patience)
  await docker.ok(['unpause', container.id])
  const before = Math.floor(Date.now() / 1000)
  const guest = Number(await container.exec('date', '+%s'))
  const after = Math.floor(Date.now() / 1000)
  assert.ok(guest >= before && guest <= after, `the guest says ${guest}, the host ${before} to ${after}`)
})

test('20 containers are started, 4 at a time, and all of them answer', async (t) => {
  const count = 20
  await using all = new AsyncDisposableStack()
  const began = performance.now()
  const containers: Container[] = []
  const left = Array.from({ length: count }, (_, n) => n)
  const worker = async () => {
    for (let n = left.shift(); n !== undefined; n = left.shift()) {
      const options = ['--name', `many-${n}`, '-m', '64m', '-e', `N=${n}`]
      containers.push(
        all.use(
          await docker.container(...options, 'busybox', 'sh', '-c', 'echo started $N; exec sleep 100000'),
        ),
      )
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  t.diagnostic(`${count} containers in ${Math.round(performance.now() - began)} ms`)
  assert.equal((await docker.ok(['ps', '--quiet', '--filter', 'name=many-'])).split('\n').length, count)
  const format = '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.MacAddress}}'
  const addresses = await Promise.all(containers.map((container) => container.inspect(format)))
  assert.equal(new Set(addresses.flatMap((line) => line.split(' '))).size, 2 * count)
  const names = await Promise.all(
    containers.map((container) => container.exec('sh', '-c', 'echo $N $(hostname)')),
  )
  for (const [index, container] of containers.entries()) {
    const n = (await container.inspect('{{.Name}}')).slice('/many-'.length)
    assert.equal(names[index], `${n} ${container.id.slice(0, 12)}`)
    assert.equal(await container.logs(), `started ${n}`)
  }
  const removed = performance.now()
  await docker.ok(['rm', '--force', ...containers.map(({ id }) => id)])
  t.diagnostic(`removed in ${Math.round(performance.now() - removed)} ms`)
  assert.equal(await docker.ok(['ps', '--all', '--quiet']), '')
})

test('when the containers are gone, so are their sandboxes, and their disks', async () => {
  const sandboxes = () => daemon.sandboxes().filter(({ command }) => command.includes('qemu')).length
  // Clones that wait in the pool stay.
  await until('the sandboxes to be gone', () => sandboxes() <= 3, patience)
  assert.equal(await docker.ok(['ps', '--all', '--quiet']), '')
})
