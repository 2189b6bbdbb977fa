/** QMP, QEMU's control protocol: a JSON object a line, answers in the order of the commands, events in between. */
import type { Socket } from 'node:net'
import { z } from 'zod'
import { within } from '../../lib/deadline.ts'
import { internal } from '../../lib/errors.ts'
import { MiB, secondMs } from '../../lib/units.ts'
import { sandboxGone } from '../guest/failures.ts'

const message = z.looseObject({
  QMP: z.unknown().optional(),
  return: z.unknown().optional(),
  error: z.object({ class: z.string(), desc: z.string() }).optional(),
  id: z.number().optional(),
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
})

export interface QmpEvent {
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

const commandDeadlineMs = 10 * secondMs
/** What QEMU says in a line is a few KiB; more is not QEMU as we know it. */
const lineBytesMax = MiB

interface Waiting {
  readonly command: string
  resolve(value: unknown): void
  reject(error: unknown): void
}

export class Qmp {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #ready = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<void>()
  readonly #onEvent: (event: QmpEvent) => void
  #kept = ''
  #nextId = 1

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket
    this.#onEvent = onEvent
    this.#ready.promise.catch(() => {})
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => this.#receive(chunk))
    socket.once('close', () => {
      this.#ready.reject(sandboxGone())
      for (const { reject } of this.#waiting.values()) reject(sandboxGone())
      this.#waiting.clear()
      this.#closed.resolve()
    })
  }

  /** Resolves when QEMU takes commands. */
  static async open(socket: Socket, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
    const qmp = new Qmp(socket, onEvent)
    try {
      const capable = qmp.execute('qmp_capabilities')
      capable.catch(() => {})
      await within(qmp.#ready.promise, commandDeadlineMs, "QEMU's greeting")
      await capable
    } catch (error) {
      qmp.close()
      throw error
    }
    return qmp
  }

  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** Rejects with code `sandbox_gone` when QEMU has ended, `qmp_failed` with QEMU's words when it refuses, `qmp_not_found` when it has no such device. */
  execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (this.#socket.destroyed) reject(sandboxGone())
    else {
      this.#waiting.set(id, { command, resolve, reject })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`)
    }
    return within(promise, commandDeadlineMs, `QEMU's answer to ${command}`).finally(() =>
      this.#waiting.delete(id),
    )
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: string): void {
    const lines = (this.#kept + chunk).split('\n')
    this.#kept = lines.pop()!
    if (this.#kept.length > lineBytesMax) {
      this.close()
      return
    }
    for (const line of lines) {
      if (line.trim() !== '') this.#take(line)
    }
  }

  #take(line: string): void {
    const parsed = parse(line)
    // A QEMU that a guest has taken over may say anything.
    if (!parsed?.success) {
      this.close()
      return
    }
    const { QMP, event, data, id, error } = parsed.data
    if (QMP !== undefined) this.#ready.resolve()
    if (event !== undefined) this.#onEvent({ name: event, data: data ?? {} })
    const waiting = this.#waiting.get(id ?? 0)
    if (!waiting) return
    if (error) {
      const code = error.class === 'DeviceNotFound' ? 'qmp_not_found' : 'qmp_failed'
      waiting.reject(internal(code, `QEMU refused ${waiting.command}: ${error.desc}`))
    } else waiting.resolve(parsed.data.return)
  }
}

function parse(line: string) {
  try {
    return message.safeParse(JSON.parse(line))
  } catch {
    return undefined
  }
}
