/** What STATS and TOP answer, the guest kernel's own files, as numbers. Anything a guest sends in their place reads as 0. */
import type { ContainerStats, ContainerTask } from '../../engine/ports/sandbox.ts'
import type { FieldReader } from './fields.ts'
import { tags } from './protocol.ts'

/** Of /proc: user space's clock tick is 10 ms on x86. */
const ticksPerSecond = 100
const nsPerMs = 1e6
const nsPerUs = 1000
const pageKiB = 4

const number = (text: string | undefined): number => {
  const value = Number(text)
  return Number.isFinite(value) && value >= 0 ? value : 0
}

/** Lines of `name value`. */
function flat(text: string | undefined): Record<string, number> {
  const lines = (text ?? '').split('\n').filter(Boolean)
  return Object.fromEntries(
    lines.map((line) => line.split(' ')).map(([name, value]) => [name, number(value)]),
  )
}

export function statsOf(fields: FieldReader, at: Date): ContainerStats {
  const texts = new Map(fields.nested(tags.text).map((text) => [text.text(tags.name), text.text(tags.value)]))
  const cpu = flat(texts.get('cpu.stat'))
  const memoryMax = texts.get('memory.max')?.trim()
  const online = Math.max(1, number(texts.get('online')))
  const ns = (name: string) => (cpu[name] ?? 0) * nsPerUs
  return {
    at,
    cpu: {
      totalNs: ns('usage_usec'),
      userNs: ns('user_usec'),
      systemNs: ns('system_usec'),
      // Not what /proc/stat counts: an emulated guest misses ticks when its host is busy.
      sandboxNs: Math.round(performance.now() * nsPerMs) * online,
      online,
      periods: cpu.nr_periods ?? 0,
      throttledPeriods: cpu.nr_throttled ?? 0,
      throttledNs: ns('throttled_usec'),
    },
    memory: {
      usageBytes: number(texts.get('memory.current')?.trim()),
      limitBytes: memoryMax === 'max' ? 0 : number(memoryMax),
      stat: flat(texts.get('memory.stat')),
    },
    pids: {
      current: number(texts.get('pids.current')?.trim()),
      limit: number(texts.get('pids.max')?.trim()),
    },
    io: ioOf(texts.get('io.stat')),
    interfaces: interfacesOf(texts.get('net.dev')),
  }
}

/** `254:0 rbytes=1 wbytes=2 rios=3 wios=4 …`, a line a device. */
function ioOf(text: string | undefined): ContainerStats['io'] {
  const sums = { rbytes: 0, wbytes: 0, rios: 0, wios: 0 }
  for (const [, key, value] of (text ?? '').matchAll(/\b(rbytes|wbytes|rios|wios)=(\d+)/g)) {
    sums[key as keyof typeof sums] += number(value)
  }
  return { readBytes: sums.rbytes, writeBytes: sums.wbytes, reads: sums.rios, writes: sums.wios }
}

/** /proc/net/dev: two lines of head, then `name: ` and sixteen numbers. */
function interfacesOf(text: string | undefined): ContainerStats['interfaces'] {
  const rows = (text ?? '').split('\n').flatMap((line) => {
    const match = /^\s*([\w.-]{1,15}):\s*(.*)$/.exec(line)
    return match && match[1] !== 'lo' ? [[match[1]!, match[2]!.split(/\s+/).map(number)] as const] : []
  })
  return Object.fromEntries(
    rows.map(([name, n]) => {
      const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = n
      const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = n.slice(8)
      return [name, { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped }]
    }),
  )
}

/** `bootAt`: when the guest's count of ticks was 0. */
export function taskOf(task: FieldReader, bootAtMs: number): ContainerTask {
  const texts = task.nested(tags.text).filter((text) => text.text(tags.name) === 'stat')
  const line = texts[0]?.text(tags.value) ?? ''
  // The name is in brackets and may hold anything, brackets too.
  const close = line.lastIndexOf(')')
  const name = line.slice(line.indexOf('(') + 1, close)
  const [state = '?', , , , terminal, , , , , , , utime, stime, , , , , , , startTicks, vsize, rss] = line
    .slice(close + 2)
    .split(' ')
  const command = task.bytes(tags.value).toString('utf8').replace(/\0+$/, '').replaceAll('\0', ' ')
  return {
    pid: task.u32(tags.pid),
    ppid: task.u32(tags.ppid),
    uid: task.u32(tags.uid),
    cpuSeconds: (number(utime) + number(stime)) / ticksPerSecond,
    startedAt: new Date(bootAtMs + (number(startTicks) * 1000) / ticksPerSecond),
    tty: terminalName(number(terminal)),
    state,
    rssKiB: number(rss) * pageKiB,
    vszKiB: Math.floor(number(vsize) / 1024),
    command: command || `[${name}]`,
    name,
  }
}

/** Unix98 terminals have the majors 136 to 143. */
function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00)
  return major >= 136 && major <= 143 ? `pts/${(major - 136) * 256 + minor}` : '?'
}
