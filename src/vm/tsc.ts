/**
 * The frequency of the host's time stamp counter, which a guest under emulation reads and has nothing to measure against.
 * The kernel says it when it starts; where that is no longer in its log, the processor's nominal frequency is near.
 */
import { readFile } from 'node:fs/promises'
import { run } from '../lib/spawn.ts'
import { secondMs } from '../lib/units.ts'

const said = [
  /tsc: Refined TSC clocksource calibration: ([\d.]+) MHz/,
  /tsc: Detected ([\d.]+) MHz TSC/,
  /tsc: Detected ([\d.]+) MHz/,
]

export async function tscKhz(): Promise<number | null> {
  const log = await run('dmesg', [], { deadlineMs: 10 * secondMs }).then(
    ({ stdout }) => stdout,
    // It may be forbidden, or have nothing of the start any more.
    () => '',
  )
  const cpu = await readFile('/proc/cpuinfo', 'utf8')
  return tscKhzFrom(log, cpu)
}

export function tscKhzFrom(kernelLog: string, cpuinfo: string): number | null {
  const found = [
    ...said.map((pattern) => pattern.exec(kernelLog)),
    /^cpu MHz\s*: ([\d.]+)$/m.exec(cpuinfo),
  ].find(Boolean)
  const khz = Math.round(Number(found?.[1]) * 1000)
  return khz > 100_000 && khz < 20_000_000 ? khz : null
}
