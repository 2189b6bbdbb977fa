import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide, follow, type Happening, isLive, isUp, type UserRequest } from './lifecycle.ts'
import type { ContainerStatus } from './model.ts'

const requests: readonly UserRequest[] = [
  ...([
    'start',
    'stop',
    'kill',
    'restart',
    'pause',
    'unpause',
    'remove',
    'force_remove',
    'update',
    'use',
  ] as const),
]
const happenings: readonly Happening[] = ['started', 'start_failed', 'exited', 'restart_due', 'remove_failed']

/** The arrows of the drawing, without those into removing and dead. */
const arrows: Record<ContainerStatus, readonly ContainerStatus[]> = {
  created: ['starting'],
  starting: ['running', 'created', 'exited'],
  running: ['paused', 'stopping', 'exited', 'restarting'],
  paused: ['running', 'stopping', 'exited', 'restarting'],
  stopping: ['exited', 'restarting'],
  restarting: ['starting', 'exited'],
  exited: ['starting'],
  removing: ['dead'],
  dead: [],
}

type Step = { readonly request: UserRequest } | { readonly happening: Happening; readonly restarts: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ request: fc.constantFrom(...requests) }),
  fc.record({ happening: fc.constantFrom(...happenings), restarts: fc.boolean() }),
)

/** Runs the steps over a model of one process, and gives every state on the way to `check`. */
function walk(
  steps: readonly Step[],
  check: (from: ContainerStatus, to: ContainerStatus, by: Step) => void,
): ContainerStatus {
  let status: ContainerStatus = 'created'
  let ranBefore = false
  for (const by of steps) {
    const from: ContainerStatus = status
    if ('request' in by) {
      const verdict = decide(status, by.request)
      if (verdict.is === 'act') status = verdict.to
    } else {
      status = follow(status, by.happening, { ranBefore, restarts: by.restarts }) ?? status
    }
    if (status === 'running') ranBefore = true
    check(from, status, by)
  }
  return status
}

test('whatever is asked and happens, a container goes only along the arrows of the drawing', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      walk(steps, (from, to, by) => {
        if (from === to) return
        const allowed: readonly ContainerStatus[] = [...arrows[from], 'removing']
        assert.ok(allowed.includes(to), `${from} → ${to} by ${JSON.stringify(by)}`)
      })
    }),
  )
})

test('a removal is final: nothing but its own failure follows', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      walk(steps, (from, to) => {
        if (from === 'removing') assert.ok(to === 'removing' || to === 'dead')
        if (from === 'dead') assert.ok(to === 'dead' || to === 'removing')
      })
    }),
  )
})

test('a removal without force never touches a container with a process', () => {
  for (const status of Object.keys(arrows) as ContainerStatus[]) {
    if (isUp(status)) assert.equal(decide(status, 'remove').is, 'deny', status)
  }
})

test('a removal by force is never refused for what the container is doing', () => {
  for (const status of Object.keys(arrows) as ContainerStatus[]) {
    if (status === 'removing') continue
    assert.match(decide(status, 'force_remove').is, /^(act|later)$/, status)
  }
})

test('a second start never starts a second process', () => {
  for (const status of Object.keys(arrows) as ContainerStatus[]) {
    if (isLive(status)) assert.notEqual(decide(status, 'start').is, 'act', status)
  }
})

test('a stopped container whose start failed is as it was before', () => {
  assert.equal(follow('starting', 'start_failed', { ranBefore: false, restarts: true }), 'created')
  assert.equal(follow('starting', 'start_failed', { ranBefore: true, restarts: true }), 'exited')
})
