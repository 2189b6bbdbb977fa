/** Containers in memory, keeping the contract of backends.ts, for specs of the front door. */
import { Readable } from 'node:stream'
import type { ContainerArchive, ContainerPathStat, ExtractOptions } from '../../engine/files/archive.ts'
import type { CommitOptions } from '../../engine/files/commit.ts'
import type {
  Container,
  ContainerChange,
  ContainerRequest,
  ContainerState,
  EngineEvent,
  Exec,
  ExecRequest,
  LogChunk,
  LogsQuery,
} from '../../engine/model.ts'
import type { FileChange } from '../../engine/ports/files.ts'
import type { ContainerStats } from '../../engine/ports/sandbox.ts'
import { fakeEntry } from '../../engine/support/fake-files.ts'
import { conflict, invalid, notFound, notModified } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { ContainersBackend, Scope } from '../docker/backends.ts'
import { FakeProcess } from './fake-process.ts'
import { fakeContainer, fakeStats, imageId } from './samples.ts'

interface Entry {
  container: Container
  process: FakeProcess
  exits: ((outcome: { exitCode: number; error: string }) => void)[]
  removals: ((outcome: { exitCode: number; error: string }) => void)[]
}

export class FakeContainers implements ContainersBackend {
  readonly entries = new Map<string, Entry>()
  readonly execs = new Map<string, { exec: Exec; process: FakeProcess }>()
  readonly requests: ContainerRequest[] = []
  /** The arguments of calls that change nothing here. */
  readonly calls: unknown[][] = []
  readonly #tell: (event: Omit<EngineEvent, 'timeNano'>) => void
  readonly #hasImage: (name: string) => boolean

  constructor(tell: (event: Omit<EngineEvent, 'timeNano'>) => void, hasImage: (name: string) => boolean) {
    this.#tell = tell
    this.#hasImage = hasImage
  }

  entry(scope: Scope, ref: string): Entry {
    const name = ref.replace(/^\//, '')
    const own = [...this.entries.values()].filter(({ container }) => container.project === scope.project)
    const found = own.find(({ container }) => container.name === name || container.id === name)
    const prefixed = own.filter(({ container }) => name !== '' && container.id.startsWith(name))
    if (found ?? prefixed[0]) return (found ?? prefixed[0])!
    throw notFound('no_such_container', `No such container: ${ref}`)
  }

  async create(scope: Scope, request: ContainerRequest) {
    if (!this.#hasImage(request.image)) throw notFound('no_such_image', `No such image: ${request.image}`)
    this.requests.push(request)
    const container = fakeContainer(request, scope.project)
    const process = new FakeProcess(container.spec.cmd ?? [])
    this.entries.set(container.id, { container, process, exits: [], removals: [] })
    this.#event(container, 'create')
    return { container, warnings: [] }
  }

  async start(scope: Scope, ref: string) {
    const entry = this.entry(scope, ref)
    if (entry.container.state.status === 'running') throw notModified('running', 'it runs already')
    if (entry.container.spec.cmd?.[0] === 'nosuch') {
      throw invalid('not_found_in_image', 'exec: "nosuch": executable file not found in $PATH: unknown')
    }
    this.#set(entry, { status: 'running', startedAt: new Date(), pid: 1 })
    this.#event(entry.container, 'start')
    void entry.process.exited.then((code) => this.#exited(entry, code))
    entry.process.run()
  }

  #exited(entry: Entry, exitCode: number): void {
    this.#set(entry, { status: 'exited', exitCode, finishedAt: new Date(), pid: 0 })
    this.#event(entry.container, 'die', { exitCode: String(exitCode) })
    for (const told of entry.exits.splice(0)) told({ exitCode, error: '' })
    if (entry.container.spec.autoRemove) this.#drop(entry)
  }

  #drop(entry: Entry): void {
    this.entries.delete(entry.container.id)
    this.#event(entry.container, 'destroy')
    for (const told of entry.removals.splice(0)) told({ exitCode: entry.container.state.exitCode, error: '' })
  }

  #set(entry: Entry, state: Partial<ContainerState>): void {
    entry.container = { ...entry.container, state: { ...entry.container.state, ...state } }
  }

  #event(container: Container, action: string, attributes: Record<string, string> = {}): void {
    const { id, project, name, spec } = container
    const actor = { id, attributes: { image: spec.image, name, ...spec.labels, ...attributes } }
    this.#tell({ project, type: 'container', action, actor })
  }

  async stop(scope: Scope, ref: string, options: object) {
    this.calls.push(['stop', ref, options])
    const entry = this.entry(scope, ref)
    if (entry.container.state.status !== 'running') throw notModified('stopped', 'it does not run')
    entry.process.exit(143)
    await entry.process.exited
  }

  async restart(scope: Scope, ref: string, options: object) {
    this.entry(scope, ref)
    this.calls.push(['restart', ref, options])
  }

  async kill(scope: Scope, ref: string, signal: string) {
    const entry = this.entry(scope, ref)
    if (entry.container.state.status !== 'running') {
      throw conflict('not_running', `Container ${entry.container.id} is not running`)
    }
    this.calls.push(['kill', ref, signal])
    entry.process.exit(137)
  }

  async pause(scope: Scope, ref: string) {
    this.#set(this.entry(scope, ref), { status: 'paused' })
  }

  async unpause(scope: Scope, ref: string) {
    this.#set(this.entry(scope, ref), { status: 'running' })
  }

  async rename(scope: Scope, ref: string, name: string) {
    const entry = this.entry(scope, ref)
    entry.container = { ...entry.container, name }
  }

  async update(scope: Scope, ref: string, { frontend, ...change }: ContainerChange) {
    const entry = this.entry(scope, ref)
    this.calls.push(['update', ref, change])
    const { spec } = entry.container
    entry.container = {
      ...entry.container,
      spec: { ...spec, ...change, frontend: frontend(spec.frontend) },
    }
  }

  async remove(scope: Scope, ref: string, options: { force: boolean }) {
    const entry = this.entry(scope, ref)
    if (entry.container.state.status === 'running' && !options.force) {
      throw conflict('running', `cannot remove container "/${entry.container.name}": container is running`)
    }
    entry.process.exit(137)
    this.#drop(entry)
  }

  async resize(scope: Scope, ref: string, rows: number, columns: number) {
    this.entry(scope, ref).process.size = { rows, columns }
  }

  async wait(
    scope: Scope,
    ref: string,
    condition: 'not-running' | 'next-exit' | 'removed',
    { signal }: { signal: AbortSignal },
  ) {
    const entry = this.entry(scope, ref)
    const { exitCode, status } = entry.container.state
    if (condition === 'not-running' && status !== 'running') {
      return { outcome: Promise.resolve({ exitCode, error: '' }) }
    }
    const outcome = new Promise<{ exitCode: number; error: string }>((resolve, reject) => {
      const list = condition === 'removed' ? entry.removals : entry.exits
      list.push(resolve)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    return { outcome }
  }

  async get(scope: Scope, ref: string) {
    return this.entry(scope, ref).container
  }

  async list(scope: Scope) {
    const own = [...this.entries.values()].map(({ container }) => container)
    return own.filter(({ project }) => project === scope.project).reverse()
  }

  async logs(scope: Scope, ref: string, query: LogsQuery, { signal }: { signal: AbortSignal }) {
    const { output } = this.entry(scope, ref).process
    const first = query.tail === 'all' ? 0 : Math.max(0, output.chunks.length - query.tail)
    const chunks: AsyncIterable<LogChunk> | LogChunk[] = query.follow
      ? output.follow(first, signal)
      : output.chunks.slice(first)
    return (async function* () {
      for await (const chunk of chunks) if (query[chunk.stream]) yield chunk
    })()
  }

  async stats(scope: Scope, ref: string): Promise<ContainerStats> {
    const { container } = this.entry(scope, ref)
    if (container.state.status === 'running') return fakeStats()
    throw conflict('not_running', `Container ${container.id} is not running`)
  }

  async tasks(scope: Scope, ref: string) {
    const { container } = this.entry(scope, ref)
    const command = (container.spec.cmd ?? []).join(' ')
    const startedAt = container.state.startedAt ?? new Date()
    const own = { pid: 1, ppid: 0, uid: 0, cpuSeconds: 61, startedAt, tty: '?', state: 'S' }
    return [{ ...own, rssKiB: 100, vszKiB: 2000, command, name: container.spec.cmd?.[0] ?? '' }]
  }

  async sizes(scope: Scope, ref: string) {
    this.entry(scope, ref)
    return { writable: 10, root: 1000 }
  }

  async execIds(scope: Scope, ref: string) {
    const { id } = this.entry(scope, ref).container
    return [...this.execs.values()].filter(({ exec }) => exec.container === id).map(({ exec }) => exec.id)
  }

  async attach(scope: Scope, ref: string, options: { logs: boolean }) {
    const { process } = this.entry(scope, ref)
    return process.attach(options.logs ? 0 : process.output.chunks.length)
  }

  async createExec(scope: Scope, ref: string, request: ExecRequest): Promise<Exec> {
    const container = this.entry(scope, ref).container.id
    const exec: Exec = { id: newId(), container, request, status: 'created', exitCode: null, pid: 0 }
    this.execs.set(exec.id, { exec, process: new FakeProcess(request.cmd) })
    return exec
  }

  async getExec(_scope: Scope, id: string) {
    const entry = this.execs.get(id)
    if (!entry) throw notFound('no_such_exec', `No such exec instance: ${id}`)
    return { ...entry.exec, exitCode: entry.process.code ?? entry.exec.exitCode }
  }

  async startExec(scope: Scope, id: string, options: { size?: { rows: number; columns: number } }) {
    const { exec } = { exec: await this.getExec(scope, id) }
    const { process } = this.execs.get(id)!
    if (exec.request.cmd[0] === 'nosuch') {
      this.execs.set(id, { exec: { ...exec, status: 'exited', exitCode: 127 }, process })
      throw invalid('not_found_in_image', 'exec: "nosuch": executable file not found in $PATH: unknown')
    }
    process.size = options.size ?? null
    const session = process.attach(0)
    process.run()
    return session
  }

  async startExecDetached(scope: Scope, id: string) {
    await this.startExec(scope, id, {})
  }

  async resizeExec(scope: Scope, id: string, rows: number, columns: number) {
    await this.getExec(scope, id)
    this.execs.get(id)!.process.size = { rows, columns }
  }

  async statPath(scope: Scope, ref: string, path: string): Promise<ContainerPathStat> {
    this.entry(scope, ref)
    if (path.includes('missing')) {
      throw notFound('no_such_file', `Could not find the file ${path} in container ${ref}`)
    }
    const entry = fakeEntry('', { size: 5, mode: 0o4755, mtimeNs: 1_700_000_000_500_000_000n })
    return { name: path.split('/').at(-1)!, entry, linkTarget: '' }
  }

  async readArchive(scope: Scope, ref: string, path: string): Promise<ContainerArchive> {
    const stat = await this.statPath(scope, ref, path)
    return {
      stat,
      content: Readable.from([Buffer.from(`tar of ${path}`)]),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  async extractArchive(
    scope: Scope,
    ref: string,
    source: AsyncIterable<Buffer>,
    { signal: _, ...options }: ExtractOptions,
  ): Promise<void> {
    await this.statPath(scope, ref, options.path)
    const chunks: Buffer[] = []
    for await (const chunk of source) chunks.push(chunk)
    this.calls.push(['extract', ref, options, Buffer.concat(chunks).toString()])
  }

  async *changes(scope: Scope, ref: string): AsyncIterable<FileChange> {
    const { container } = this.entry(scope, ref)
    if (container.state.startedAt) yield { path: '/written', kind: 'added' }
  }

  async export(scope: Scope, ref: string) {
    this.entry(scope, ref)
    const content = Readable.from([Buffer.from('tar of all')])
    return { content, [Symbol.asyncDispose]: async () => {} }
  }

  async commit(scope: Scope, ref: string, { signal: _, ...options }: CommitOptions): Promise<string> {
    this.entry(scope, ref)
    this.calls.push(['commit', ref, options])
    return imageId(8)
  }

  async prune(scope: Scope, matches: (container: Container) => boolean) {
    const stopped = (await this.list(scope)).filter(({ state }) => state.status !== 'running')
    const ids = stopped.filter(matches).map(({ id }) => id)
    for (const id of ids) this.#drop(this.entry(scope, id))
    return { ids, bytes: ids.length * 10 }
  }
}
