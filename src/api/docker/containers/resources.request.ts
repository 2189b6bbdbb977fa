/** Limits, capabilities, restart and log settings of a container request, checked in dockerd's words. */
import type { LogConfig, RestartPolicy } from '../../../engine/model.ts'
import type { GuestRlimit } from '../../../engine/ports/sandbox.ts'
import { invalid } from '../../../lib/errors.ts'
import { MiB } from '../../../lib/units.ts'
import { clip, refuseIf } from '../query.ts'
import type { HostConfig } from './containers.schema.ts'

export const defaultShmBytes = 64 * MiB
const memoryBytesMin = 6 * MiB

/** Of an update: what it says nothing of may be set already. */
export function resources(config: HostConfig, { update = false } = {}) {
  const { Memory, NanoCpus, CpuQuota, CpuPeriod, CpuShares, ShmSize, OomScoreAdj, PidsLimit } = config
  refuseIf(Memory < 0 || (Memory > 0 && Memory < memoryBytesMin), 'Minimum memory limit allowed is 6MB')
  refuseMemory(config, update)
  refuseIf(NanoCpus < 0, 'range of CPUs is from 0.01 up: NanoCpus is negative')
  refuseIf(NanoCpus > 0 && CpuPeriod > 0, 'Conflicting options: Nano CPUs and CPU Period cannot both be set')
  refuseIf(NanoCpus > 0 && CpuQuota > 0, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set')
  refuseIf(
    CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000),
    'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
  )
  refuseIf(CpuQuota > 0 && CpuQuota < 1000, 'CPU cfs quota can not be less than 1ms (i.e. 1000)')
  refuseIf(CpuShares < 0, 'CPU shares can not be less than 0')
  refuseIf(ShmSize < 0, 'SHM size can not be less than 0')
  refuseIf(
    OomScoreAdj < -1000 || OomScoreAdj > 1000,
    `Invalid value ${OomScoreAdj}, range for oom score adj is [-1000, 1000]`,
  )
  return {
    memoryBytes: Memory,
    nanoCpus: NanoCpus,
    cpuQuotaUs: Math.max(CpuQuota, 0),
    cpuPeriodUs: CpuPeriod,
    cpuShares: CpuShares,
    pidsLimit: Math.max(PidsLimit, 0),
    shmBytes: ShmSize === 0 ? defaultShmBytes : ShmSize,
    oomScoreAdj: OomScoreAdj,
  }
}

/** What is asked for, kept, and has no effect. */
export function resourceWarnings(config: HostConfig): string[] {
  const warnings: string[] = []
  if (config.OomKillDisable)
    warnings.push('OomKillDisable is discarded: a microVM out of memory must end something')
  if (config.MemoryReservation > 0)
    warnings.push('MemoryReservation is discarded: memory is not shared between containers')
  if (config.MemorySwap > 0 && config.MemorySwap > config.Memory) {
    warnings.push('MemorySwap is discarded: microVMs have no swap')
  }
  return warnings
}

function refuseMemory(config: HostConfig, update: boolean): void {
  const { Memory, MemorySwap, MemorySwappiness, MemoryReservation, KernelMemory } = config
  refuseIf(
    Memory > 0 && MemorySwap > 0 && MemorySwap < Memory,
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  )
  refuseIf(
    Memory === 0 && MemorySwap > 0 && !update,
    'You should always set the Memory limit when using Memoryswap limit, see usage',
  )
  refuseIf(
    MemorySwappiness !== null && (MemorySwappiness < -1 || MemorySwappiness > 100),
    `Invalid value: ${MemorySwappiness}, valid memory swappiness range is 0-100`,
  )
  refuseIf(
    MemoryReservation !== 0 && MemoryReservation < memoryBytesMin,
    'Minimum memory reservation allowed is 6MB',
  )
  refuseIf(
    Memory > 0 && MemoryReservation > Memory,
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  )
  refuseIf(KernelMemory > 0 && KernelMemory < memoryBytesMin, 'Minimum kernel memory limit allowed is 6MB')
}

const restartNames = ['no', 'always', 'on-failure', 'unless-stopped'] as const

export function restartPolicy(config: HostConfig): RestartPolicy {
  const { Name: given = '', MaximumRetryCount: retries = 0 } = config.RestartPolicy ?? {}
  const name = restartNames.find((known) => known === (given || 'no'))
  if (!name) {
    throw invalid(
      'bad_restart_policy',
      `invalid restart policy: unknown policy '${clip(given)}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    )
  }
  refuseIf(retries < 0, 'invalid restart policy: maximum retry count cannot be negative')
  refuseIf(
    retries > 0 && name !== 'on-failure',
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  )
  refuseIf(config.AutoRemove && name !== 'no', "can't create 'AutoRemove' container with restart policy")
  return { name, maximumRetries: retries }
}

const logOptions = {
  'json-file': ['max-file', 'max-size', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'],
  local: ['max-file', 'max-size', 'compress'],
  none: null,
} as const

export function logConfig(config: HostConfig): LogConfig {
  const { Type: type = '', Config: options = {} } = config.LogConfig ?? {}
  const driver = type === '' || type === 'default' ? 'json-file' : type
  if (driver !== 'json-file' && driver !== 'local' && driver !== 'none') {
    throw invalid(
      'bad_log_driver',
      `error looking up logging plugin ${clip(driver)}: plugin "${clip(driver)}" not found`,
    )
  }
  const known: readonly string[] | null = logOptions[driver]
  for (const [name, value] of Object.entries(options)) {
    if (known && !known.includes(name)) {
      throw invalid('bad_log_option', `unknown log opt '${clip(name)}' for ${driver} log driver`)
    }
    refuseIf(
      name === 'max-size' && !/^(-1|\d+(\.\d+)?\s*[kmgt]?i?b?)$/i.test(value),
      `invalid value for max-size: '${clip(value)}'`,
    )
    refuseIf(
      name === 'max-file' && !/^[1-9]\d{0,5}$/.test(value),
      `invalid value for max-file: '${clip(value)}'`,
    )
  }
  return { driver, options }
}

const rlimits = new Set(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
)

export function ulimits(config: HostConfig): GuestRlimit[] {
  return config.Ulimits.map(({ Name: name, Soft: soft, Hard: hard }) => {
    refuseIf(!rlimits.has(name), `invalid ulimit type: ${clip(name)}`)
    refuseIf(
      hard !== -1 && (soft === -1 || soft > hard),
      `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    )
    return { name, soft, hard }
  })
}

const capabilities = new Set(
  `AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER
  FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE
  NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE
  SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`
    .split(/\s+/)
    .map((name) => `CAP_${name}`),
)

/** `net_admin` → `CAP_NET_ADMIN`; `ALL` stays. */
export function capabilityNames(names: readonly string[], field: 'CapAdd' | 'CapDrop'): string[] {
  return names.map((given) => {
    const upper = given.trim().toUpperCase()
    if (upper === 'ALL') return upper
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
    refuseIf(!capabilities.has(name), `invalid ${field}: unknown capability: "${clip(name)}"`)
    return name
  })
}
