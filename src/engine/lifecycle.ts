/**
 * The life of a container, decided in one place and driven by one owner (owner.ts).
 *
 *                    start                  started
 *     (created) ───────────────> (starting) ───────> (running) <──unpause── (paused)
 *         ^                        │  ^  ^             │  │ └─────pause───────^ │
 *         └── start_failed, never ─┤  │  │             │  │stop, restart        │stop, restart
 *             ran before           │  │  │             │  v                     │
 *                     start_failed │  │start           │ (stopping) <───────────┘
 *                                  v  │  │      exited │  │exited
 *                               (exited)<┼─────────────┴──┤
 *                                  ^     │restart_due     │exited, and the restart policy says again
 *                                  │     │                v
 *                                  └stop─┴────────── (restarting)
 *
 *     remove of created, exited, dead, and remove by force of anything ──> (removing) ──> gone
 *                                                                              └──> (dead) when it could not be
 *
 * - **starting** begins with the request and ends when the guest has answered. A second start joins it; a removal by
 *   force breaks it off; everything else waits for its outcome and is decided anew then.
 * - **stopping** is a running container whose signal has been sent. Signals, execs and streams go on as before, so
 *   that `kill` during a long `stop` works; a second stop joins, and its own time-out counts too.
 * - **removing** is final. A process that still runs is killed with its sandbox, and its exit changes nothing.
 * - A container exits from running, paused or stopping. Its exit is never reported before its start.
 * - An update changes what a container may use, and leaves it where it is.
 * - What a killed daemon leaves in starting, stopping or removing is put right by recover.ts.
 */
import { conflict, type HummingbirdError } from '../lib/errors.ts'
import { shortId } from '../lib/ids.ts'
import type { Container, ContainerStatus } from './model.ts'

export type UserRequest =
  | 'start'
  | 'stop'
  | 'kill'
  | 'restart'
  | 'pause'
  | 'unpause'
  | 'remove'
  | 'force_remove'
  | 'update'
  /** What needs a guest that answers: exec, resize, top. */
  | 'use'

export type Happening = 'started' | 'start_failed' | 'exited' | 'restart_due' | 'remove_failed'

export type DenialReason =
  | 'not_running'
  | 'not_paused'
  | 'already_paused'
  | 'is_paused'
  | 'is_stopping'
  | 'is_restarting'
  | 'is_removing'
  | 'cannot_start_paused'
  | 'cannot_remove'

export type Verdict =
  /** Do it; the status becomes `to` at once. */
  | { readonly is: 'act'; readonly to: ContainerStatus }
  | { readonly is: 'not_modified' }
  /** The same is under way: wait for that, and answer as it does. */
  | { readonly is: 'join' }
  /** Wait until the transition under way has settled, and ask again; `abort`: break it off. */
  | { readonly is: 'later'; readonly abort: boolean }
  | { readonly is: 'deny'; readonly reason: DenialReason }

const act = (to: ContainerStatus): Verdict => ({ is: 'act', to })
const deny = (reason: DenialReason): Verdict => ({ is: 'deny', reason })
const notModified: Verdict = { is: 'not_modified' }
const join: Verdict = { is: 'join' }
const later: Verdict = { is: 'later', abort: false }

type Row = Readonly<Record<UserRequest, Verdict>>

const stopped: Omit<Row, 'update'> = {
  start: act('starting'),
  stop: notModified,
  kill: deny('not_running'),
  restart: act('starting'),
  pause: deny('not_running'),
  unpause: deny('not_paused'),
  remove: act('removing'),
  force_remove: act('removing'),
  use: deny('not_running'),
}

const removing: Row = {
  start: deny('is_removing'),
  stop: deny('is_removing'),
  kill: deny('is_removing'),
  restart: deny('is_removing'),
  pause: deny('is_removing'),
  unpause: deny('is_removing'),
  remove: deny('is_removing'),
  force_remove: deny('is_removing'),
  update: deny('is_removing'),
  use: deny('is_removing'),
}

const table: Readonly<Record<ContainerStatus, Row>> = {
  created: { ...stopped, update: act('created') },
  exited: { ...stopped, update: act('exited') },
  starting: {
    start: join,
    stop: later,
    kill: later,
    restart: later,
    pause: later,
    unpause: later,
    remove: deny('cannot_remove'),
    force_remove: { is: 'later', abort: true },
    update: later,
    use: later,
  },
  running: {
    start: notModified,
    stop: act('stopping'),
    kill: act('running'),
    restart: act('stopping'),
    pause: act('paused'),
    unpause: deny('not_paused'),
    remove: deny('cannot_remove'),
    force_remove: act('removing'),
    update: act('running'),
    use: act('running'),
  },
  paused: {
    start: deny('cannot_start_paused'),
    stop: act('stopping'),
    kill: act('paused'),
    restart: act('stopping'),
    pause: deny('already_paused'),
    unpause: act('running'),
    remove: deny('cannot_remove'),
    force_remove: act('removing'),
    update: act('paused'),
    use: deny('is_paused'),
  },
  stopping: {
    start: notModified,
    stop: join,
    kill: act('stopping'),
    restart: join,
    pause: deny('is_stopping'),
    unpause: deny('not_paused'),
    remove: deny('cannot_remove'),
    force_remove: act('removing'),
    update: act('stopping'),
    use: act('stopping'),
  },
  restarting: {
    start: notModified,
    stop: act('exited'),
    kill: act('exited'),
    restart: act('starting'),
    pause: deny('is_restarting'),
    unpause: deny('not_paused'),
    remove: deny('cannot_remove'),
    force_remove: act('removing'),
    update: act('restarting'),
    use: deny('is_restarting'),
  },
  removing,
  dead: { ...removing, remove: act('removing'), force_remove: act('removing') },
}

export function decide(status: ContainerStatus, request: UserRequest): Verdict {
  return table[status][request]
}

/** What follows from something that happened; undefined: it comes too late to matter. */
export function follow(
  status: ContainerStatus,
  happening: Happening,
  facts: { readonly ranBefore: boolean; readonly restarts: boolean },
): ContainerStatus | undefined {
  switch (happening) {
    case 'started':
      return status === 'starting' ? 'running' : undefined
    case 'start_failed':
      return status === 'starting' ? (facts.ranBefore ? 'exited' : 'created') : undefined
    case 'exited':
      if (status === 'removing' || status === 'dead') return status
      if (status !== 'running' && status !== 'paused' && status !== 'stopping') return undefined
      return facts.restarts ? 'restarting' : 'exited'
    case 'restart_due':
      return status === 'restarting' ? 'starting' : undefined
    case 'remove_failed':
      return status === 'removing' ? 'dead' : undefined
  }
}

/** A process of the container exists, or is about to. */
export function isLive(status: ContainerStatus): boolean {
  return status === 'starting' || status === 'running' || status === 'paused' || status === 'stopping'
}

/** What Docker calls running, and what `wait` waits for the end of. */
export function isUp(status: ContainerStatus): boolean {
  return isLive(status) || status === 'restarting'
}

/** In dockerd's words. */
export function denial(reason: DenialReason, container: Container): HummingbirdError {
  const { id, name } = container
  const short = shortId(id)
  switch (reason) {
    case 'not_running':
      return conflict('not_running', `Container ${id} is not running`)
    case 'not_paused':
      return conflict('not_paused', `Container ${id} is not paused`)
    case 'already_paused':
      return conflict('already_paused', `Container ${id} is already paused`)
    case 'is_paused':
      return conflict('paused', `Container ${short} is paused, unpause the container before exec`)
    case 'is_stopping':
      return conflict('stopping', `Container ${id} is being stopped`)
    case 'is_restarting':
      return conflict('restarting', `Container ${id} is restarting, wait until the container is running`)
    case 'is_removing':
      return conflict('removing', `removal of container ${short} is already in progress`)
    case 'cannot_start_paused':
      return conflict('paused', 'cannot start a paused container, try unpause instead')
    case 'cannot_remove':
      return conflict('cannot_remove', cannotRemove(name, container.state.status))
  }
}

function cannotRemove(name: string, status: ContainerStatus): string {
  const what = `cannot remove container "/${name}": container is`
  if (status === 'paused') return `${what} paused and must be unpaused first`
  return `${what} ${status === 'restarting' ? 'restarting' : 'running'}: stop the container before removing or force remove`
}
