/** The engine's states in Docker's words, for machines and for people. */
import type { Container, ContainerHealth, ContainerState } from '../../../engine/model.ts'
import { humanDuration, rfc3339Nano } from '../time.ts'

export const dockerStates = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
] as const
export type DockerState = (typeof dockerStates)[number]

/** Docker knows no `starting` and no `stopping`: it is what it was until it has changed. What its policy starts is restarting. */
export function dockerState(state: ContainerState): DockerState {
  switch (state.status) {
    case 'starting':
      if (state.restartCount > 0) return 'restarting'
      return state.startedAt ? 'exited' : 'created'
    case 'stopping':
      return 'running'
    default:
      return state.status
  }
}

/** Has a process: running, paused, or between two of its runs. */
export const isUp = (container: Container): boolean =>
  ['running', 'paused', 'restarting'].includes(dockerState(container.state))

export function stateJson(state: ContainerState) {
  const status = dockerState(state)
  return {
    Status: status,
    Running: status === 'running' || status === 'paused' || status === 'restarting',
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: rfc3339Nano(state.startedAt),
    FinishedAt: rfc3339Nano(state.finishedAt),
    ...(state.health ? { Health: healthJson(state.health) } : {}),
  }
}

function healthJson({ status, failingStreak, log }: ContainerHealth) {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({
      Start: rfc3339Nano(start),
      End: rfc3339Nano(end),
      ExitCode: exitCode,
      Output: output,
    })),
  }
}

/** In the words of the filter. */
export const healthStates = ['none', 'starting', 'healthy', 'unhealthy'] as const
export const healthStatus = ({ health }: ContainerState) => health?.status ?? 'none'

function healthText({ health }: ContainerState): string {
  if (!health) return ''
  return ` (${health.status === 'starting' ? 'health: starting' : health.status})`
}

/** The STATUS column of `docker ps`. */
export function statusText(state: ContainerState, now: Date): string {
  const age = (since: Date | null) => humanDuration(Math.max(0, now.getTime() - (since ?? now).getTime()))
  switch (dockerState(state)) {
    case 'running':
      return `Up ${age(state.startedAt)}${healthText(state)}`
    case 'paused':
      return `Up ${age(state.startedAt)} (Paused)`
    case 'restarting':
      return `Restarting (${state.exitCode}) ${age(state.finishedAt)} ago`
    case 'removing':
      return 'Removal In Progress'
    case 'dead':
      return 'Dead'
    case 'created':
      return 'Created'
    case 'exited':
      return `Exited (${state.exitCode}) ${age(state.finishedAt)} ago`
  }
}
