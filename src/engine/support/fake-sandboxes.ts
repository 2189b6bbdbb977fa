/**
 * Sandboxes without microVMs, for races that are hard to force with real ones. A "guest" knows a few programs by the
 * first word of a process's arguments; everything it does can be held up or made to fail.
 */
import { copyFileSync, writeFileSync } from 'node:fs'
import { HummingbirdError, internal, invalid } from '../../lib/errors.ts'
import type {
  AdoptedProcess,
  AttachedVolume,
  ClaimRequest,
  ContainerStats,
  GuestContainer,
  GuestLimits,
  GuestProcess,
  GuestProcessSpec,
  Nic,
  OutputStream,
  ProcessExit,
  ProcessOutput,
  Sandbox,
  SandboxConfiguration,
  SandboxEnd,
  SandboxHandle,
  SandboxInterface,
  SandboxProvider,
  SandboxVolume,
} from '../ports/sandbox.ts'
import { FakeFiles } from './fake-files.ts'

function disksOf(volumes: readonly SandboxVolume[]): readonly AttachedVolume[] {
  const count = { vol: 0, rovol: 0 }
  return volumes.map((volume) => {
    const kind = volume.readOnly ? 'rovol' : 'vol'
    return { ...volume, disk: `${kind}${count[kind]++}` }
  })
}

const gone = () => internal('sandbox_gone', 'the sandbox has ended')

export class FakeProcess implements GuestProcess {
  readonly id: number
  readonly pid: number
  readonly spec: GuestProcessSpec
  readonly stdin: Buffer[] = []
  readonly signals: number[] = []
  stdinEnded = false
  forgotten = false
  output: ProcessOutput
  readonly offsets: Record<OutputStream, number> = { stdout: 0, stderr: 0 }
  /** What was said, for an adoption to repeat from anywhere. */
  readonly said: Array<{ stream: OutputStream; data: Buffer; offset: number }> = []
  #exit = Promise.withResolvers<ProcessExit>()
  #hasExited = false
  #writes: Promise<void> = Promise.resolve()

  constructor(spec: GuestProcessSpec, output: ProcessOutput) {
    this.spec = spec
    this.id = spec.id
    this.pid = 100 + spec.id
    this.output = output
    this.#exit.promise.catch(() => {})
  }

  get exited(): Promise<ProcessExit> {
    return this.#exit.promise
  }

  say(text: string, stream: OutputStream = 'stdout'): Promise<void> {
    const data = Buffer.from(text)
    const offset = this.offsets[stream]
    this.offsets[stream] += data.length
    this.said.push({ stream, data, offset })
    this.#writes = this.#writes.then(() => this.output.write(stream, data, offset))
    return this.#writes
  }

  exit(code: number, extra: Partial<ProcessExit> = {}): void {
    if (this.#hasExited) return
    this.#hasExited = true
    void this.#writes.then(() =>
      this.#exit.resolve({ code, signal: 0, oomKilled: false, at: new Date(), ...extra }),
    )
  }

  vanish(): void {
    if (this.#hasExited) return
    this.#hasExited = true
    this.#exit.reject(gone())
  }

  async writeStdin(chunk: Buffer): Promise<void> {
    if (this.#hasExited) throw internal('process_exited', 'the process has exited')
    this.stdin.push(chunk)
    if (this.spec.args[0] === 'cat') await this.say(chunk.toString())
  }

  async endStdin(): Promise<void> {
    if (this.#hasExited) throw internal('process_exited', 'the process has exited')
    this.stdinEnded = true
    if (this.spec.args[0] === 'cat') this.exit(0)
  }

  async resize(): Promise<void> {}

  async signal(signal: number): Promise<void> {
    if (this.#hasExited) throw internal('process_exited', 'the process has exited')
    this.signals.push(signal)
    if (signal === 9 || (signal === 15 && this.spec.args[0] !== 'stubborn'))
      this.exit(128 + signal, { signal })
  }

  async forget(): Promise<void> {
    this.forgotten = true
  }

  /** What it does by itself, once started. */
  begin(): void {
    const [program, ...args] = this.spec.args
    if (program === 'exit') this.exit(Number(args[0] ?? 0))
    if (program === 'echo') void this.say(`${args.join(' ')}\n`).then(() => this.exit(0))
  }
}

export class FakeSandbox implements Sandbox {
  isFrozen = false
  readonly handle: SandboxHandle
  readonly request: ClaimRequest
  readonly files = new FakeFiles()
  readonly processes = new Map<number, FakeProcess>()
  /** Bytes by disk. */
  readonly grown = new Map<string, number>()
  readonly nics = new Map<number, Nic>()
  readonly interfaces = new Map<string, { readonly slot: number; readonly of: SandboxInterface }>()
  readonly #end = Promise.withResolvers<SandboxEnd>()
  configuration: SandboxConfiguration | undefined
  container: GuestContainer | undefined
  /** Since the last update. */
  limits: GuestLimits | undefined
  isPaused = false
  isOver: SandboxEnd['reason'] | undefined
  /** Held up, or failing, when set. */
  onStartProcess: (spec: GuestProcessSpec) => void | Promise<void> = () => {}
  onShutdown: () => void | Promise<void> = () => {}

  constructor(request: ClaimRequest) {
    this.request = request
    const nic = request.network
      ? { network: request.network, netns: '/run/netns/fake', tap: `tap${request.id.slice(0, 8)}` }
      : null
    this.handle = {
      id: request.id,
      pid: 1,
      pidStartTicks: 1,
      directory: '/nonexistent',
      size: request.size,
      nic,
      scratchDisk: request.scratch.fresh ? 'scratch' : 'kept',
      volumes: disksOf(request.volumes),
    }
  }

  get ended(): Promise<SandboxEnd> {
    return this.#end.promise
  }

  get main(): FakeProcess {
    return this.processes.get(1)!
  }

  async configure(configuration: SandboxConfiguration): Promise<void> {
    this.#check()
    this.configuration = configuration
  }

  async createContainer(container: GuestContainer): Promise<void> {
    this.#check()
    this.container = container
  }

  async startProcess(spec: GuestProcessSpec, output: ProcessOutput): Promise<GuestProcess> {
    this.#check()
    await this.onStartProcess(spec)
    if (spec.args[0] === 'missing') {
      throw invalid('start_failed', 'exec missing', { details: { stage: 'exec', errno: 'ENOENT' } })
    }
    this.#check()
    const process = new FakeProcess(spec, output)
    this.processes.set(spec.id, process)
    setImmediate(() => process.begin())
    return process
  }

  adoptable(): readonly AdoptedProcess[] {
    return [...this.processes.values()]
      .filter(({ forgotten }) => !forgotten)
      .map(({ id, spec }) => ({
        id,
        container: spec.container,
        main: spec.main,
        tty: spec.tty,
        acked: { stdout: 0, stderr: 0 },
      }))
  }

  /** Repeats from where the host says it is, cut as it was said. */
  adoptProcess(id: number, output: ProcessOutput, from: { stdout: number; stderr: number }): GuestProcess {
    const process = this.processes.get(id)!
    process.output = output
    for (const { stream, data, offset } of process.said) {
      if (offset + data.length > from[stream]) void output.write(stream, data, offset)
    }
    return process
  }

  async updateContainer(_container: string, limits: GuestLimits): Promise<void> {
    if (this.isPaused) throw internal('deadline', 'a paused guest does not answer')
    this.#check()
    this.limits = limits
  }

  async freeze(): Promise<void> {
    this.#check()
    this.isFrozen = true
  }

  async thaw(): Promise<void> {
    this.#check()
    this.isFrozen = false
  }

  async stats(): Promise<ContainerStats> {
    if (this.isPaused) throw internal('deadline', 'a paused guest does not answer')
    return { at: new Date() } as ContainerStats
  }

  async tasks() {
    return []
  }

  onOom(): void {}

  async copyVolume(disk: string, targetPath: string): Promise<void> {
    this.#check()
    copyFileSync(this.handle.volumes!.find((volume) => volume.disk === disk)!.path, targetPath)
  }

  async growVolume(disk: string, bytes: number): Promise<void> {
    this.#check()
    this.grown.set(disk, bytes)
  }

  async attachNic(nic: Nic): Promise<number> {
    this.#check()
    let slot = 1
    while (this.nics.has(slot)) slot++
    this.nics.set(slot, nic)
    return slot
  }

  async detachNic(slot: number): Promise<void> {
    this.nics.delete(slot)
  }

  async setInterface(slot: number, of: SandboxInterface): Promise<void> {
    this.#check()
    this.interfaces.set(of.name, { slot, of })
  }

  async removeInterface(name: string): Promise<void> {
    this.#check()
    this.interfaces.delete(name)
  }

  async pause(): Promise<void> {
    this.isPaused = true
  }

  async resume(): Promise<void> {
    this.isPaused = false
  }

  async shutdown(): Promise<void> {
    if (this.isPaused) throw internal('deadline', 'a paused guest does not answer')
    await this.onShutdown()
    this.#over('shutdown')
  }

  async kill(): Promise<void> {
    this.#over('killed')
  }

  crash(): void {
    this.#over('crashed')
  }

  #over(reason: SandboxEnd['reason']): void {
    this.isOver ??= reason
    for (const process of this.processes.values()) process.vanish()
    this.#end.resolve({ reason, at: new Date() })
  }

  #check(): void {
    if (this.isOver) throw gone()
  }
}

export class FakeSandboxes implements SandboxProvider {
  readonly accelerator = 'tcg'
  readonly version = 'fake 1'
  readonly claimed: FakeSandbox[] = []
  kept: ReadonlySet<string> | undefined
  /** Awaited by each claim; may throw. */
  onClaim: (signal: AbortSignal | undefined) => void | Promise<void> = () => {}
  onNew: (sandbox: FakeSandbox) => void = () => {}

  async claim(request: ClaimRequest, { signal }: { signal?: AbortSignal } = {}): Promise<Sandbox> {
    await this.onClaim(signal)
    if (signal?.aborted) throw new HummingbirdError('cancelled', 'cancelled', 'the claim was cancelled')
    if (request.scratch.fresh) writeFileSync(request.scratch.path, 'a disk', { flag: 'wx' })
    const sandbox = new FakeSandbox(request)
    this.onNew(sandbox)
    this.claimed.push(sandbox)
    return sandbox
  }

  get last(): FakeSandbox {
    return this.claimed.at(-1)!
  }

  async adopt(handle: SandboxHandle): Promise<Sandbox> {
    const sandbox = this.claimed.findLast(({ request }) => request.id === handle.id)
    if (!sandbox || sandbox.isOver) throw gone()
    return sandbox
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    this.kept = keep
    for (const sandbox of this.claimed) if (!keep.has(sandbox.request.id)) await sandbox.kill()
  }

  fill(): void {}

  async close(): Promise<void> {}
}
