/** What `docker update` asks for → what the engine is to change. Zero and an empty name mean: as it was. */
import type { ContainerChange } from '../../../engine/model.ts'
import type { UpdateBody } from './containers.schema.ts'
import { updatedEcho } from './frontend.ts'
import { refuseHostConfig } from './refusals.ts'
import { resources, resourceWarnings, restartPolicy } from './resources.request.ts'

export function containerChange(asked: UpdateBody): { change: ContainerChange; warnings: string[] } {
  const body = { ...asked, PidsLimit: asked.PidsLimit ?? 0 }
  refuseHostConfig(body)
  const { memoryBytes, nanoCpus, cpuQuotaUs, cpuPeriodUs, cpuShares, pidsLimit } = resources(body, {
    update: true,
  })
  const change = {
    ...(body.Memory ? { memoryBytes } : {}),
    ...(body.NanoCpus ? { nanoCpus } : {}),
    ...(body.CpuQuota ? { cpuQuotaUs } : {}),
    ...(body.CpuPeriod ? { cpuPeriodUs } : {}),
    ...(body.CpuShares ? { cpuShares } : {}),
    ...(asked.PidsLimit === null ? {} : { pidsLimit }),
    ...(body.RestartPolicy?.Name ? { restartPolicy: restartPolicy(body) } : {}),
  }
  return {
    change: { ...change, frontend: (before) => updatedEcho(before, asked) },
    warnings: resourceWarnings(body),
  }
}
