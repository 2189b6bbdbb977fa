/** Whether and when a container that has exited is started again. */
import { minuteMs, secondMs } from '../lib/units.ts'
import type { RestartPolicy } from './model.ts'

export function restartsAfterExit(
  policy: RestartPolicy,
  exit: { readonly code: number; readonly restartCount: number; readonly stoppedByUser: boolean },
): boolean {
  if (exit.stoppedByUser) return false
  switch (policy.name) {
    case 'no':
      return false
    case 'always':
    case 'unless-stopped':
      return true
    case 'on-failure':
      return exit.code !== 0 && (policy.maximumRetries === 0 || exit.restartCount < policy.maximumRetries)
  }
}

/** When the daemon starts and finds it not running: as Docker, `always` then means also what a user had stopped. */
export function startsWithDaemon(
  policy: RestartPolicy,
  state: { readonly exitCode: number; readonly restartCount: number; readonly stoppedByUser: boolean },
): boolean {
  if (policy.name === 'always') return true
  return restartsAfterExit(policy, { ...state, code: state.exitCode })
}

const delayMinMs = 100
const delayMaxMs = minuteMs
/** Who ran so long is not in a loop of crashes. */
const healthyRunMs = 10 * secondMs

/** `lastMs`: 0 before the first. */
export function nextDelayMs(lastMs: number, ranMs: number): number {
  if (lastMs === 0 || ranMs >= healthyRunMs) return delayMinMs
  return Math.min(lastMs * 2, delayMaxMs)
}
