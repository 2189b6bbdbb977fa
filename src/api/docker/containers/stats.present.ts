/** Samples of use in Docker's JSON, so that `docker stats` computes what is true. */
import type { Container } from '../../../engine/model.ts'
import type { ContainerStats } from '../../../engine/ports/sandbox.ts'
import { rfc3339Nano, zeroTime } from '../time.ts'

/** null: it does not run. `previous` null: this is the first sample. */
export function statsJson(container: Container, now: ContainerStats | null, previous: ContainerStats | null) {
  const identity = { name: `/${container.name}`, id: container.id }
  if (!now) return { ...identity, ...emptyJson }
  return {
    ...identity,
    read: rfc3339Nano(now.at),
    preread: previous ? rfc3339Nano(previous.at) : zeroTime,
    pids_stats: { current: now.pids.current, ...(now.pids.limit > 0 ? { limit: now.pids.limit } : {}) },
    blkio_stats: blockJson(now),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuJson(now),
    precpu_stats: previous ? cpuJson(previous) : emptyCpu,
    memory_stats: { usage: now.memory.usageBytes, stats: now.memory.stat, limit: now.memory.limitBytes },
    networks: Object.fromEntries(
      Object.entries(now.interfaces).map(([name, counts]) => [name, cardJson(counts)]),
    ),
  }
}

const noThrottling = { periods: 0, throttled_periods: 0, throttled_time: 0 }
const emptyCpu = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: noThrottling,
}
const emptyBlock = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
}
const emptyJson = {
  read: zeroTime,
  preread: zeroTime,
  pids_stats: {},
  blkio_stats: emptyBlock,
  num_procs: 0,
  storage_stats: {},
  cpu_stats: emptyCpu,
  precpu_stats: emptyCpu,
  memory_stats: {},
}

function cpuJson({ cpu }: ContainerStats) {
  return {
    cpu_usage: {
      total_usage: cpu.totalNs,
      usage_in_kernelmode: cpu.systemNs,
      usage_in_usermode: cpu.userNs,
    },
    // The share is of the sandbox: a container that has two CPUs and uses both shows 200 %.
    system_cpu_usage: cpu.sandboxNs,
    online_cpus: cpu.online,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNs,
    },
  }
}

/** The disks of a microVM are virtio-blk: major 254, and one line for all of them. */
function blockJson({ io }: ContainerStats) {
  const lines = (read: number, write: number) => [
    { major: 254, minor: 0, op: 'read', value: read },
    { major: 254, minor: 0, op: 'write', value: write },
  ]
  return {
    ...emptyBlock,
    io_service_bytes_recursive: lines(io.readBytes, io.writeBytes),
    io_serviced_recursive: lines(io.reads, io.writes),
  }
}

function cardJson(counts: ContainerStats['interfaces'][string]) {
  return {
    rx_bytes: counts.rxBytes,
    rx_packets: counts.rxPackets,
    rx_errors: counts.rxErrors,
    rx_dropped: counts.rxDropped,
    tx_bytes: counts.txBytes,
    tx_packets: counts.txPackets,
    tx_errors: counts.txErrors,
    tx_dropped: counts.txDropped,
  }
}
