/** The containers of the engine as the front doors see them: each call finds its container and goes to its owner. */
import { invalid } from '../lib/errors.ts'
import { nanosPerMs } from '../lib/units.ts'
import { attachContainer } from './attach.ts'
import type { EngineContext } from './context.ts'
import { createContainer } from './create/create.ts'
import { checkName } from './create/names.ts'
import { createExec, findExec, resizeExec, startExec } from './exec.ts'
import { type ExtractOptions, extractArchive, readArchive, statPath } from './files/archive.ts'
import { containerChanges } from './files/changes.ts'
import { type CommitOptions, commitContainer } from './files/commit.ts'
import { exportContainer } from './files/export.ts'
import { openLayer } from './files/layer.ts'
import { isLive, isUp } from './lifecycle.ts'
import type { Container, ContainerChange, ContainerRequest, ExecRequest, LogsQuery } from './model.ts'
import { pauseContainer, unpauseContainer } from './pause.ts'
import { pruneContainers, removeContainer } from './remove.ts'
import { renameContainer } from './rename.ts'
import { startContainer } from './start.ts'
import { containerSizes, containerStats, containerTasks, resizeContainer } from './stats.ts'
import { killContainer, restartContainer, type StopOptions, stopContainer } from './stop.ts'
import { updateContainer } from './update.ts'
import type { WaitCondition } from './wait.ts'

/** A timer knows no longer time: nobody follows a log for 24 days. */
const timerMsMax = 2 ** 31 - 1

interface Scope {
  readonly project: string
}

export type Containers = ReturnType<typeof createContainers>

export function createContainers(context: EngineContext) {
  const find = (scope: Scope, ref: string) => context.registry.find(scope.project, ref)
  return {
    ...state(context, find),
    ...reading(context, find),
    ...execs(context, find),
    ...files(context, find),
    async attach(scope: Scope, ref: string, options: Parameters<typeof attachContainer>[2]) {
      return attachContainer(context, find(scope, ref), options)
    },
    async prune(scope: Scope, matches: (container: Container) => boolean) {
      return pruneContainers(context, scope.project, matches)
    },
  }
}

type Find = (scope: Scope, ref: string) => ReturnType<EngineContext['registry']['find']>

function state(context: EngineContext, find: Find) {
  return {
    async create(scope: Scope, request: ContainerRequest) {
      return createContainer(context, scope.project, request)
    },
    async start(scope: Scope, ref: string) {
      await startContainer(context, find(scope, ref))
    },
    async stop(scope: Scope, ref: string, options: StopOptions) {
      await stopContainer(context, find(scope, ref), options)
    },
    async restart(scope: Scope, ref: string, options: StopOptions) {
      await restartContainer(context, find(scope, ref), options)
    },
    async kill(scope: Scope, ref: string, signal: string) {
      await killContainer(context, find(scope, ref), signal)
    },
    async pause(scope: Scope, ref: string) {
      await pauseContainer(context, find(scope, ref))
    },
    async unpause(scope: Scope, ref: string) {
      await unpauseContainer(context, find(scope, ref))
    },
    async rename(scope: Scope, ref: string, name: string) {
      await renameContainer(context, find(scope, ref), checkName(name))
    },
    async update(scope: Scope, ref: string, change: ContainerChange) {
      await updateContainer(context, find(scope, ref), change)
    },
    async remove(scope: Scope, ref: string, options: { force: boolean; volumes: boolean }) {
      await removeContainer(context, find(scope, ref), options)
    },
    async resize(scope: Scope, ref: string, rows: number, columns: number) {
      await resizeContainer(context, find(scope, ref), rows, columns)
    },
    async wait(scope: Scope, ref: string, condition: WaitCondition, { signal }: { signal: AbortSignal }) {
      const owner = find(scope, ref)
      if (condition === 'not-running' && !isUp(owner.status)) {
        return { outcome: Promise.resolve({ exitCode: owner.container.state.exitCode, error: '' }) }
      }
      return { outcome: owner.waiters.add(condition, signal) }
    },
  }
}

function reading(context: EngineContext, find: Find) {
  return {
    async get(scope: Scope, ref: string): Promise<Container> {
      return find(scope, ref).container
    },
    async list(scope: Scope): Promise<readonly Container[]> {
      const containers = context.registry.ofProject(scope.project).map(({ container }) => container)
      // The registry has them in the order they were made: within a millisecond that is all there is to tell by.
      return containers.reverse().sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
    },
    async logs(scope: Scope, ref: string, query: LogsQuery, { signal }: { signal: AbortSignal }) {
      const owner = find(scope, ref)
      const leftMs =
        query.untilNano === null ? null : Number((query.untilNano - context.clock.nowNano()) / nanosPerMs)
      const follows = query.follow && (leftMs === null || leftMs > 0)
      const run = follows && isLive(owner.status) ? owner.run : null
      // Nothing may be said for so long, and the end of the time asked for is the end all the same.
      const over = run && leftMs !== null ? AbortSignal.timeout(Math.min(leftMs + 1, timerMsMax)) : null
      const until = over ? AbortSignal.any([signal, over]) : signal
      return owner.log.read(query, () => run?.outputEnded ?? true, until)
    },
    async stats(scope: Scope, ref: string) {
      return containerStats(find(scope, ref))
    },
    async tasks(scope: Scope, ref: string) {
      return containerTasks(context, find(scope, ref))
    },
    async sizes(scope: Scope, ref: string) {
      return containerSizes(context, find(scope, ref))
    },
    async execIds(scope: Scope, ref: string): Promise<readonly string[]> {
      return find(scope, ref).execs.ids()
    },
  }
}

function files(context: EngineContext, find: Find) {
  return {
    async statPath(scope: Scope, ref: string, path: string) {
      return statPath(context, find(scope, ref), { path, ref })
    },
    async readArchive(scope: Scope, ref: string, path: string) {
      return readArchive(context, find(scope, ref), { path, ref })
    },
    async extractArchive(scope: Scope, ref: string, source: AsyncIterable<Buffer>, options: ExtractOptions) {
      await extractArchive(context, find(scope, ref), source, { ...options, ref })
    },
    changes(scope: Scope, ref: string) {
      return containerChanges(context, find(scope, ref))
    },
    async export(scope: Scope, ref: string) {
      return exportContainer(context, find(scope, ref))
    },
    async openLayer(scope: Scope, ref: string) {
      return openLayer(context, find(scope, ref))
    },
    async commit(scope: Scope, ref: string, options: CommitOptions) {
      if (ref === '') throw invalid('no_container', 'invalid name or ID supplied: ""')
      return commitContainer(context, find(scope, ref), options)
    },
  }
}

function execs(context: EngineContext, find: Find) {
  return {
    async createExec(scope: Scope, ref: string, request: ExecRequest) {
      return createExec(context, find(scope, ref), request)
    },
    async getExec(scope: Scope, id: string) {
      return findExec(context, scope.project, id).record.exec
    },
    async startExec(scope: Scope, id: string, options: { size?: { rows: number; columns: number } }) {
      const { owner, record } = findExec(context, scope.project, id)
      return startExec(context, owner, record, { size: options.size, detached: false })
    },
    async startExecDetached(scope: Scope, id: string) {
      const { owner, record } = findExec(context, scope.project, id)
      await startExec(context, owner, record, { size: undefined, detached: true })
    },
    async resizeExec(scope: Scope, id: string, rows: number, columns: number) {
      await resizeExec(findExec(context, scope.project, id).record, rows, columns)
    },
  }
}
