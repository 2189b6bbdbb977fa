/** Which size a container gets, and what of it the container may use. */
import { conflict, invalid } from '../../lib/errors.ts'
import { MiB } from '../../lib/units.ts'
import type { ContainerRequest } from '../model.ts'
import type { GuestLimits, SandboxSize } from '../ports/sandbox.ts'

/** As dockerd: below that a container cannot even start. */
const memoryBytesMin = 6 * MiB
const cpuPeriodUsDefault = 100_000

type Wishes = Pick<
  ContainerRequest,
  'memoryBytes' | 'nanoCpus' | 'cpuQuotaUs' | 'cpuPeriodUs' | 'cpuShares' | 'pidsLimit'
>

/** The one asked for by name; else the smallest that fits, with the default's memory where none is asked for. */
export function chooseSize(
  request: Wishes & Pick<ContainerRequest, 'size'>,
  sizes: readonly SandboxSize[],
  defaultSize: string,
): SandboxSize {
  const { memoryBytes } = request
  if (memoryBytes > 0 && memoryBytes < memoryBytesMin) {
    throw invalid('memory_too_small', 'Minimum memory limit allowed is 6MB')
  }
  const cpus = cpusOf(request)
  const cpusMax = Math.max(...sizes.map((size) => size.vcpus))
  if (cpus < 0 || cpus > cpusMax || (cpus > 0 && cpus < 0.01)) {
    throw invalid(
      'bad_cpus',
      `Range of CPUs is from 0.01 to ${cpusMax}.00, as there are only ${cpusMax} CPUs available`,
    )
  }
  const fits = (size: SandboxSize, memory: number) => size.vcpus >= cpus && size.memoryMiB * MiB >= memory
  if (request.size !== undefined) {
    const size = sizes.find(({ name }) => name === request.size)
    if (!size) {
      throw invalid(
        'unknown_size',
        `unknown or invalid runtime name: ${request.size.slice(0, 100)}: there is no such size; sizes: ${listed(sizes)}`,
      )
    }
    if (!fits(size, memoryBytes)) {
      throw invalid('size_too_small', `size ${size.name} has less than is asked for; sizes: ${listed(sizes)}`)
    }
    return size
  }
  const memory = memoryBytes || sizes.find(({ name }) => name === defaultSize)!.memoryMiB * MiB
  const best = sizes
    .filter((size) => fits(size, memory))
    .toSorted((a, b) => a.memoryMiB - b.memoryMiB || a.vcpus - b.vcpus)[0]
  if (!best) {
    throw invalid(
      'too_large',
      `no size has ${Math.ceil(memory / MiB)} MiB of memory and ${cpus || 1} CPUs; sizes: ${listed(sizes)}`,
    )
  }
  return best
}

/** A size that is no longer offered is still that of the containers that have it. */
export function sizeNamed(sizes: readonly SandboxSize[], name: string): SandboxSize {
  const size = sizes.find((offered) => offered.name === name)
  if (!size) throw conflict('size_gone', `size ${name} is no longer offered; create the container anew`)
  return size
}

/** 0 where the container may have all that its sandbox has. */
export function limitsOf(spec: Wishes, size: SandboxSize): GuestLimits {
  const period = spec.cpuPeriodUs || cpuPeriodUsDefault
  const cpus = cpusOf(spec)
  return {
    memoryBytes: spec.memoryBytes < size.memoryMiB * MiB ? spec.memoryBytes : 0,
    cpuQuotaUs: cpus > 0 && cpus < size.vcpus ? Math.max(1_000, Math.round(cpus * period)) : 0,
    cpuPeriodUs: period,
    cpuWeight: weightOf(spec.cpuShares),
    pids: Math.max(0, spec.pidsLimit),
  }
}

export function cpusOf(spec: Wishes): number {
  if (spec.nanoCpus !== 0) return spec.nanoCpus / 1e9
  return spec.cpuQuotaUs > 0 ? spec.cpuQuotaUs / (spec.cpuPeriodUs || cpuPeriodUsDefault) : 0
}

/** Shares of cgroup v1 (2 to 262,144) as a weight of v2 (1 to 10,000), the way runc does it. */
function weightOf(shares: number): number {
  if (shares <= 0) return 0
  const bounded = Math.min(262_144, Math.max(2, shares))
  return 1 + Math.floor(((bounded - 2) * 9_999) / 262_142)
}

function listed(sizes: readonly SandboxSize[]): string {
  return sizes.map((size) => `${size.name} (${size.vcpus} CPU, ${size.memoryMiB} MiB)`).join(', ')
}
