/** Waits for idle CPUs, so that no sample pays for what another daemon still tidies. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const windowMs = 60
const busyMax = 0.1
/** A pool that was emptied is full again by then; on a machine where others work there is no quiet to wait for. */
const waitMaxMs = 15_000

export async function quiet(): Promise<void> {
  const end = performance.now() + waitMaxMs
  for (let before = ticks(); performance.now() < end; ) {
    await sleep(windowMs)
    const now = ticks()
    const busy = (now.busy - before.busy) / Math.max(1, now.all - before.all)
    if (busy <= busyMax) return
    before = now
  }
}

/** All CPUs, in clock ticks. */
function ticks(): { busy: number; all: number } {
  const [user, nice, system, idle, iowait, irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number) as [number, number, number, number, number, number, number, number]
  const busy = user + nice + system + irq + softirq + steal
  return { busy, all: busy + idle + iowait }
}
