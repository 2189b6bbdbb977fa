/**
 * The daemon's side of the resolver: starts it or finds it, tells it all there is, and then every change. One that ends is started
 * anew. A change is not held up by a resolver that does not answer: it is told everything when it does again.
 */
import { closeSync, openSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { within } from '../../lib/deadline.ts'
import { hasCode, messageOf, unavailable } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { SerialQueue } from '../../lib/queue.ts'
import { launch } from '../../lib/spawn.ts'
import { secondMs } from '../../lib/units.ts'
import { type Instruction, onLines, type Reply, resolverVersion } from './control.ts'

const program = join(import.meta.dirname, 'main.ts')
/** Its work is small; what it does not use, containers can. */
const nodeOptions = ['--max-semi-space-size=1', '--max-old-space-size=128']
/** Node's own start, on a busy host. */
const startDeadlineMs = 20 * secondMs
const answerDeadlineMs = 5 * secondMs
/** One that ends sooner than this after its start is not started again at once. */
const steadyMs = 5 * secondMs

export interface ResolverClientOptions {
  /** Where it listens, and who may: only the daemon's user. */
  readonly socket: string
  readonly log: Log
  /** All there is. */
  readonly state: () => Promise<Extract<Instruction, { is: 'state' }>>
}

export class ResolverClient {
  readonly #options: ResolverClientOptions
  readonly #queue = new SerialQueue()
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>()
  #socket: Socket | undefined
  #startedAt = Number.NEGATIVE_INFINITY
  #again: NodeJS.Timeout | undefined
  #number = 0
  #isClosed = false

  constructor(options: ResolverClientOptions) {
    this.#options = options
  }

  /** Resolves when it knows all there is; a failure is logged, and tried again. */
  async start(): Promise<void> {
    await this.#queue.run(() => this.#ensure())
  }

  /** When it has taken the change in. Without effect while there is none: it will be told everything. */
  async tell(instruction: Instruction): Promise<void> {
    if (!this.#socket) return
    try {
      await this.#send(this.#socket, instruction)
    } catch (error) {
      this.#options.log.error(
        { what: instruction.is, error: messageOf(error) },
        'the resolver of names has not taken a change in',
      )
    }
  }

  /** Leaves it running. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#again)
    this.#socket?.destroy()
    this.#socket = undefined
  }

  /** Nobody needs it any more. One of an earlier daemon is found and ended. */
  async quit(): Promise<void> {
    await this.#queue.run(async () => {
      clearTimeout(this.#again)
      const socket = this.#socket ?? (await this.#find().catch(() => undefined))?.socket
      this.#socket = undefined
      if (!socket) return
      const closed = closing(socket)
      socket.write(`${JSON.stringify({ is: 'quit', number: 0 })}\n`)
      await within(closed, answerDeadlineMs, 'the end of the resolver')
    })
  }

  async #ensure(): Promise<void> {
    if (this.#socket || this.#isClosed) return
    try {
      const found = (await this.#adopt()) ?? (await this.#launch())
      this.#attach(found)
      await this.#send(found, await this.#options.state())
    } catch (error) {
      this.#options.log.error(
        { error: messageOf(error) },
        'containers cannot ask for names: the resolver is not there; trying again',
      )
      if (!this.#socket) this.#soon()
    }
  }

  /** One of this version that runs already. */
  async #adopt(): Promise<Socket | undefined> {
    const found = await this.#find()
    if (!found) return undefined
    if (found.version === resolverVersion) return found.socket
    const closed = closing(found.socket)
    found.socket.write(`${JSON.stringify({ is: 'quit', number: 0 })}\n`)
    await within(closed, answerDeadlineMs, 'the end of an older resolver')
    return undefined
  }

  async #find(): Promise<{ socket: Socket; version: number } | undefined> {
    const socket = connect(this.#options.socket)
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    socket.once('error', (error) => {
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ECONNREFUSED')) resolve(undefined)
      else reject(error)
    })
    socket.once('close', () => resolve(undefined))
    onLines(socket, (line) => {
      const reply = JSON.parse(line) as Reply
      if (reply.version !== undefined) resolve(reply.version)
      else this.#took(reply)
    })
    const version = await within(promise, answerDeadlineMs, 'the greeting of the resolver')
    if (version === undefined) return undefined
    return { socket, version }
  }

  async #launch(): Promise<Socket> {
    const { socket: path, log } = this.#options
    rmSync(path, { force: true })
    this.#startedAt = performance.now()
    const errors = openSync(`${path}.log`, 'w', 0o600)
    const child = launch(process.execPath, [...nodeOptions, program, path], {
      stdio: ['ignore', 'pipe', errors],
      // Not the daemon's environment: it holds what is the operator's.
      env: { PATH: process.env.PATH },
      cwd: '/',
    })
    closeSync(errors)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    child.once('error', reject)
    child.once('exit', () => reject(unavailable('resolver_ended', `the resolver ended: see ${path}.log`)))
    child.stdout!.once('data', () => resolve())
    try {
      await within(promise, startDeadlineMs, 'the start of the resolver')
    } finally {
      child.stdout!.destroy()
    }
    const found = await this.#find()
    if (!found) throw unavailable('resolver_ended', `the resolver ended: see ${path}.log`)
    log.info({ pid: child.pid, socket: path }, 'the resolver of names is started')
    return found.socket
  }

  #attach(socket: Socket): void {
    this.#socket = socket
    socket.on('error', () => {})
    socket.unref()
    socket.once('close', () => {
      for (const { reject } of this.#waiting.values()) reject(unavailable('resolver_ended', 'it has ended'))
      this.#waiting.clear()
      if (this.#socket !== socket || this.#isClosed) return
      this.#socket = undefined
      this.#options.log.warn({}, 'the resolver of names has ended and is started anew')
      this.#soon()
    })
  }

  #soon(): void {
    const delayMs = Math.max(0, this.#startedAt + steadyMs - performance.now())
    this.#again = setTimeout(() => void this.start(), delayMs).unref()
  }

  async #send(socket: Socket, instruction: Instruction): Promise<void> {
    const number = ++this.#number
    const answered = Promise.withResolvers<void>()
    this.#waiting.set(number, answered)
    socket.write(`${JSON.stringify({ ...instruction, number })}\n`)
    try {
      await within(answered.promise, answerDeadlineMs, 'telling the resolver')
    } finally {
      this.#waiting.delete(number)
    }
  }

  #took({ number, error }: Reply): void {
    const waiting = this.#waiting.get(number ?? 0)
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(unavailable('resolver_failed', error))
  }
}

const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()))
