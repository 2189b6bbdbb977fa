import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MiB } from '../../../lib/units.ts'
import { parseWith } from '../../body.ts'
import { updateBody } from './containers.schema.ts'
import { readFrontend } from './frontend.ts'
import { containerChange } from './update.request.ts'

const changed = (body: object) => {
  const { change, warnings } = containerChange(parseWith(updateBody, body, 'invalid JSON'))
  const { frontend, ...rest } = change
  return { change: rest, warnings, echo: readFrontend(frontend(null)).hostConfig }
}

test('what the docker CLI sends changes only what was asked for', () => {
  const body = {
    ...{ CpuShares: 0, Memory: 64 * MiB, NanoCpus: 0, CgroupParent: '', BlkioWeight: 0, CpuPeriod: 0 },
    ...{ CpuQuota: 0, CpusetCpus: '', CpusetMems: '', Devices: null, MemoryReservation: 0, MemorySwap: 0 },
    ...{ MemorySwappiness: null, OomKillDisable: null, PidsLimit: null, Ulimits: null },
    RestartPolicy: { Name: '', MaximumRetryCount: 0 },
  }
  const { change, warnings, echo } = changed(body)
  assert.deepEqual(change, { memoryBytes: 64 * MiB })
  assert.deepEqual(warnings, [])
  assert.deepEqual([echo.Memory, echo.CpuShares, echo.PidsLimit], [64 * MiB, 0, null])
  assert.deepEqual(changed({}).change, {})
})

test('limits can be taken away, and a policy changed', () => {
  assert.deepEqual(changed({ PidsLimit: -1 }).change, { pidsLimit: 0 })
  assert.equal(changed({ PidsLimit: -1 }).echo.PidsLimit, 0)
  assert.deepEqual(changed({ CpuQuota: -1 }).change, { cpuQuotaUs: 0 })
  const policy = { Name: 'on-failure', MaximumRetryCount: 3 }
  const { change, echo } = changed({ RestartPolicy: policy })
  assert.deepEqual(change, { restartPolicy: { name: 'on-failure', maximumRetries: 3 } })
  assert.deepEqual(echo.RestartPolicy, policy)
})

test('what cannot be is refused in the words of dockerd, what has no effect told', () => {
  for (const [body, kind, message] of [
    [{ Memory: 1024 }, 'invalid', 'Minimum memory limit allowed is 6MB'],
    [
      { NanoCpus: 1e9, CpuQuota: 5000 },
      'invalid',
      'Conflicting options: Nano CPUs and CPU Quota cannot both be set',
    ],
    [
      { RestartPolicy: { Name: 'sometimes' } },
      'invalid',
      "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    ],
    [{ CpusetCpus: '0' }, 'not_implemented', /say how many CPUs with --cpus/],
    [{ Memory: 'much' }, 'invalid', /Memory/],
  ] as const) {
    assert.throws(() => changed(body), { kind, message })
  }
  assert.equal(changed({ MemorySwap: 100 * MiB, Memory: 50 * MiB }).warnings.length, 1)
})
