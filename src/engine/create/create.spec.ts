import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mergeCommand, mergeEnv, mergeHealthCheck, overlayEnv } from './merge-image.ts'
import { checkName, randomName } from './names.ts'
import { chooseSize, limitsOf } from './sizes.ts'
import { tmpfsOptions } from './tmpfs.ts'

const image = { Cmd: ['imgcmd'], Entrypoint: ['imgentry'] }

test("the image's command is dropped when the request has an entrypoint", () => {
  assert.deepEqual(mergeCommand({}, image), { cmd: ['imgcmd'], entrypoint: ['imgentry'] })
  assert.deepEqual(mergeCommand({ cmd: ['a'] }, image), { cmd: ['a'], entrypoint: ['imgentry'] })
  assert.deepEqual(mergeCommand({ entrypoint: ['e'] }, image), { cmd: null, entrypoint: ['e'] })
  assert.deepEqual(mergeCommand({ entrypoint: ['e'], cmd: ['a'] }, image), { cmd: ['a'], entrypoint: ['e'] })
  assert.deepEqual(mergeCommand({ entrypoint: [] }, image), { cmd: ['imgcmd'], entrypoint: null })
  assert.deepEqual(mergeCommand({ entrypoint: [''], cmd: ['a'] }, image), { cmd: ['a'], entrypoint: null })
})

test('a container without any command is refused', () => {
  const nothing = { kind: 'invalid', message: 'No command specified' }
  assert.throws(() => mergeCommand({ entrypoint: [''] }, image), nothing)
  assert.throws(() => mergeCommand({}, { Cmd: null, Entrypoint: null }), nothing)
})

test('variables of the request win over those of the image', () => {
  assert.deepEqual(mergeEnv(['A=1', 'B=2'], ['B=9', 'C=3']), ['A=1', 'B=2', 'C=3'])
  assert.deepEqual(overlayEnv(['PATH=/bin', 'X=1'], ['PATH=/usr/bin', 'Y=2', 'X']), ['PATH=/usr/bin', 'Y=2'])
})

test('of a health check each field that the request does not say is the one of the image', () => {
  const none = { test: [], intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 }
  const Healthcheck = { Test: ['CMD', 'ask'], Interval: 7e9, Retries: 2 }
  const shell = ['/bin/sh', '-c']
  assert.equal(mergeHealthCheck(undefined, { Healthcheck: null, Shell: null }), undefined)
  assert.deepEqual(mergeHealthCheck(undefined, { Healthcheck, Shell: ['/bin/bash', '-c'] }), {
    ...none,
    ...{ test: ['CMD', 'ask'], intervalNs: 7e9, retries: 2, shell: ['/bin/bash', '-c'] },
  })
  const asked = { ...none, test: ['CMD-SHELL', 'true'], intervalNs: 1e9 }
  assert.deepEqual(mergeHealthCheck(asked, { Healthcheck, Shell: null }), { ...asked, retries: 2, shell })
  const off = mergeHealthCheck({ ...none, test: ['NONE'] }, { Healthcheck, Shell: null })
  assert.deepEqual(off?.test, ['NONE'])
})

test('names follow the rule of Docker', () => {
  assert.equal(checkName('/web_1.a-b'), 'web_1.a-b')
  for (const name of ['', '/', 'a', '-ab', 'a b', 'ab/c', 'a'.repeat(256)]) {
    assert.throws(() => checkName(name), {
      kind: 'invalid',
      message: `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    })
  }
})

test('a random name is one that is allowed and not taken', () => {
  const taken = new Set<string>()
  for (let i = 0; i < 3_000; i++) {
    const name = randomName((candidate) => taken.has(candidate))
    assert.ok(!taken.has(name))
    assert.match(checkName(name), /^[a-z]+_[a-z]+\d*$/)
    taken.add(name)
  }
})

const sizes = [
  { name: 's1', vcpus: 1, memoryMiB: 64 },
  { name: 's2', vcpus: 1, memoryMiB: 128 },
  { name: 's4', vcpus: 1, memoryMiB: 512 },
  { name: 'm2', vcpus: 2, memoryMiB: 2048 },
  { name: 'l1', vcpus: 4, memoryMiB: 4096 },
]
const none = { memoryBytes: 0, nanoCpus: 0, cpuQuotaUs: 0, cpuPeriodUs: 0, cpuShares: 0, pidsLimit: 0 }
const MiB = 1024 * 1024

test('the size is the smallest that fits what is asked for, else the default', () => {
  const size = (wishes: object) => chooseSize({ ...none, ...wishes }, sizes, 's4').name
  assert.equal(size({}), 's4')
  assert.equal(size({ memoryBytes: 64 * MiB }), 's1')
  assert.equal(size({ memoryBytes: 65 * MiB }), 's2')
  assert.equal(size({ nanoCpus: 0.5e9 }), 's4')
  assert.equal(size({ nanoCpus: 1.5e9, memoryBytes: 10 * MiB }), 'm2')
  assert.equal(size({ cpuQuotaUs: 300_000 }), 'l1')
  assert.equal(size({ size: 's1' }), 's1')
})

test('a wish that no size can grant is refused with the list of sizes', () => {
  const size = (wishes: object) => () => chooseSize({ ...none, ...wishes }, sizes, 's4')
  assert.throws(size({ memoryBytes: 8192 * MiB }), {
    kind: 'invalid',
    message: /8192 MiB.*l1 \(4 CPU, 4096 MiB\)/,
  })
  assert.throws(size({ size: 's1', memoryBytes: 65 * MiB }), { code: 'size_too_small' })
  assert.throws(size({ size: 'x9' }), { message: /name: x9: there is no such size; sizes: s1/ })
  assert.throws(size({ memoryBytes: 6 * MiB - 1 }), { message: 'Minimum memory limit allowed is 6MB' })
  assert.throws(size({ nanoCpus: 5e9 }), { message: /^Range of CPUs is from 0.01 to 4.00/ })
})

test('the chosen size always holds what was asked for, and the limits never exceed it', () => {
  const wishes = fc.record({
    memoryBytes: fc.integer({ min: 6 * MiB, max: 4096 * MiB }),
    cpus: fc.integer({ min: 1, max: 400 }),
  })
  fc.assert(
    fc.property(wishes, ({ memoryBytes, cpus }) => {
      const request = { ...none, memoryBytes, nanoCpus: cpus * 1e7 }
      const size = chooseSize(request, sizes, 's4')
      assert.ok(size.memoryMiB * MiB >= memoryBytes && size.vcpus * 100 >= cpus)
      const limits = limitsOf(request, size)
      assert.ok(limits.memoryBytes <= size.memoryMiB * MiB)
      assert.ok(limits.cpuQuotaUs < size.vcpus * limits.cpuPeriodUs)
    }),
  )
})

test('shares become a weight as runc does it', () => {
  const weight = (cpuShares: number) => limitsOf({ ...none, cpuShares }, sizes[0]!).cpuWeight
  assert.deepEqual([0, 2, 1024, 262_144].map(weight), [0, 1, 39, 10_000])
})

test("options of a tmpfs go over Docker's defaults", () => {
  assert.equal(tmpfsOptions('/t', ''), 'rw,noexec,nosuid,nodev')
  assert.equal(tmpfsOptions('/t', 'exec,size=64m,ro'), 'ro,exec,nosuid,nodev,size=64m')
  assert.equal(tmpfsOptions('/t', 'mode=1777,mode=700'), 'rw,noexec,nosuid,nodev,mode=700')
  assert.throws(() => tmpfsOptions('/t', 'bogus'), { message: 'invalid tmpfs option "bogus" for /t' })
  assert.throws(() => tmpfsOptions('/t', 'size=1,x=/etc'), { code: 'bad_tmpfs_option' })
  assert.throws(() => tmpfsOptions('t', ''), { code: 'bad_tmpfs' })
})
