/**
 * Attaching to a container: reading its log from where it is now, at the client's pace, and handing on what the client
 * types. Who attaches before the start gets the next run; who attaches to a run stays with it to the end of its output.
 */
import { conflict, hasCode } from '../lib/errors.ts'
import { SerialQueue } from '../lib/queue.ts'
import { type EngineContext, tell } from './context.ts'
import { isLive } from './lifecycle.ts'
import type { AttachSession } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import type { GuestProcess } from './ports/sandbox.ts'
import type { Run } from './run.ts'

export interface AttachOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** What was output so far comes first. */
  readonly logs: boolean
  /** And what will be. */
  readonly stream: boolean
}

/** Which run a client is attached to, once there is one. */
export class Attachment {
  readonly #run = Promise.withResolvers<Run | null>()
  #taken: Run | null = null
  #isOver = false

  take(run: Run): void {
    if (this.#taken || this.#isOver) return
    this.#taken = run
    this.#run.resolve(run)
  }

  /** Nothing will come any more. */
  end(): void {
    this.#isOver = true
    this.#run.resolve(null)
  }

  get isOver(): boolean {
    return this.#isOver || (this.#taken?.outputEnded ?? false)
  }

  /** null: it will never run. */
  async process(): Promise<GuestProcess | null> {
    const run = await this.#run.promise
    try {
      await run?.started.promise
    } catch {
      // Whoever started it is told why.
      return null
    }
    return run?.process ?? null
  }
}

export async function attachContainer(
  context: EngineContext,
  owner: ContainerOwner,
  options: AttachOptions,
): Promise<AttachSession> {
  const { container, run } = owner
  if (owner.status === 'paused') {
    throw conflict('paused', `container ${owner.id} is paused, unpause the container before attach`)
  }
  if (owner.status === 'restarting') {
    throw conflict('restarting', `container ${owner.id} is restarting, wait until the container is running`)
  }
  const attachment = new Attachment()
  if (!options.stream) attachment.end()
  else if (run && isLive(owner.status)) attachment.take(run)
  owner.attachments.add(attachment)
  try {
    const reader = await owner.log.attach(options, options.logs, () => attachment.isOver)
    tell(context, container, 'attach')
    return new Session(owner, attachment, reader, options.stdin && container.spec.openStdin)
  } catch (error) {
    owner.attachments.delete(attachment)
    throw error
  }
}

class Session implements AttachSession {
  readonly output: AttachSession['output']
  readonly #owner: ContainerOwner
  readonly #attachment: Attachment
  readonly #reader: { close(): void }
  readonly #takesInput: boolean
  /** Input reaches the process in the order it came, also while the process is being started. */
  readonly #input = new SerialQueue()
  #inputEnded = false

  constructor(
    owner: ContainerOwner,
    attachment: Attachment,
    reader: { readonly output: AttachSession['output']; close(): void },
    takesInput: boolean,
  ) {
    this.output = reader.output
    this.#owner = owner
    this.#attachment = attachment
    this.#reader = reader
    this.#takesInput = takesInput
  }

  writeStdin(chunk: Buffer): Promise<void> {
    if (!this.#takesInput) return Promise.resolve()
    return this.#toProcess((process) => process.writeStdin(chunk))
  }

  async endStdin(): Promise<void> {
    if (!this.#takesInput || this.#inputEnded) return
    this.#inputEnded = true
    const { stdinOnce, tty } = this.#owner.container.spec
    if (stdinOnce && !tty) return this.#toProcess((process) => process.endStdin())
    // As dockerd: a client that has no more to say to a process that goes on listening has detached.
    await this.#input.idle()
    this.#attachment.end()
    this.#owner.log.poke()
  }

  close(): void {
    const leave = () => this.#owner.attachments.delete(this.#attachment)
    const { stdinOnce, tty } = this.#owner.container.spec
    if (this.#takesInput && !this.#inputEnded && stdinOnce && !tty) {
      this.#inputEnded = true
      // Nobody is left to hear of a failure; what there is to say the process's own end says.
      // Of a container that has not been started yet, the process will find its input at an end.
      this.#toProcess((process) => process.endStdin())
        .catch(() => {})
        .finally(leave)
    } else leave()
    this.#reader.close()
  }

  async #toProcess(send: (process: GuestProcess) => Promise<void>): Promise<void> {
    await this.#input.run(async () => {
      const process = await this.#attachment.process()
      try {
        if (process) await send(process)
      } catch (error) {
        if (!hasCode(error, 'process_exited') && !hasCode(error, 'sandbox_gone')) throw error
      }
    })
  }
}
