/**
 * A container that does not run, opened: its disks in a sandbox without a process, and so without a use of its card, so that its
 * files can be reached. It is shared by all who come, and kept for a moment after the last: clients ask two or three times in a row.
 *
 *     open ──> in use ⇄ lingering ──> closing ──> closed
 *                 └───── closed at once by a removal, or by the sandbox's own end ──┘
 *
 * The way back to the sandbox is stored before anything is done in it: a daemon that finds it after the death of this one
 * switches it off in order, as one whose container has exited (recover.ts), and nothing that was acknowledged is lost.
 */
import { rm, stat } from 'node:fs/promises'
import { messageOf } from '../../lib/errors.ts'
import { minuteMs, secondMs } from '../../lib/units.ts'
import type { EngineContext } from '../context.ts'
import { sizeNamed } from '../create/sizes.ts'
import { configurationOf, openedContainerOf } from '../guest-spec.ts'
import type { ContainerMount } from '../model.ts'
import type { ContainerOwner } from '../owner.ts'
import type { SandboxFiles } from '../ports/files.ts'
import type { Sandbox } from '../ports/sandbox.ts'
import { attachVolumes, unmountDeadlineMs } from '../volumes/attach.ts'
import { Uses } from './uses.ts'
import { makeWorkingDirectory } from './working-directory.ts'

const lingerMs = 2 * secondMs
/** A start waits so long for who is at work; then it takes the disk away from them. */
const patienceMs = minuteMs
/** The first of an image may have to convert it. */
const openDeadlineMs = 2 * minuteMs

type Mounts = readonly ContainerMount[]

export class Opened {
  readonly #context: EngineContext
  readonly #owner: ContainerOwner
  readonly #mounts: Mounts
  readonly #uses = new Uses(() => this.#idle())
  readonly #sandbox: Promise<Sandbox>
  readonly #end = Promise.withResolvers<void>()
  /** Nobody who is at work is waited for any longer. */
  readonly #hurry = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | null = null

  /** In the owner's queue, of one whose container does not run. `mounts`: of its volumes those that are needed. */
  constructor(context: EngineContext, owner: ContainerOwner, mounts: Mounts) {
    this.#context = context
    this.#owner = owner
    this.#mounts = mounts
    this.#sandbox = openSandbox(context, owner, mounts)
    this.#sandbox.then(
      (sandbox) => void sandbox.ended.then(() => this.#ended()),
      () => this.#ended(),
    )
  }

  /** Whether it is fit for who needs these. */
  serves(mounts: Mounts): boolean {
    return this.#closing === null && mounts.every((mount) => this.#mounts.includes(mount))
  }

  /** Answers at once; `files` may have to be waited for. */
  borrow(): { readonly files: Promise<SandboxFiles>; readonly end: () => void } {
    clearTimeout(this.#timer)
    return { files: this.#sandbox.then(({ files }) => files), end: this.#uses.begin() }
  }

  /** When who is at work has done, or has had time enough; or `now`. Resolves when its sandbox is no more. */
  close({ now }: { readonly now: boolean }): Promise<void> {
    clearTimeout(this.#timer)
    if (now) this.#hurry.abort()
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Others may want its volumes: it is kept for its own disk's sake alone. */
  #idle(): void {
    if (this.#closing) return
    const close = () => this.#context.background.add(this.close({ now: false }))
    if (this.#mounts.length > 0) close()
    else this.#timer = setTimeout(close, lingerMs)
  }

  async #close(): Promise<void> {
    this.#context.volumes.attachments.leave(this.#owner.id)
    await this.#uses.settled(patienceMs, this.#hurry.signal)
    const sandbox = await this.#sandbox.catch(() => null)
    // What was put into a volume stays when the container goes.
    const deadlineMs = this.#mounts.length > 0 ? unmountDeadlineMs : 0
    const discards = this.#hurry.signal.aborted && deadlineMs === 0
    const end = discards ? sandbox?.kill() : sandbox?.shutdown(deadlineMs > 0 ? { deadlineMs } : {})
    await end?.catch(async (error) => {
      const { log } = this.#context
      log.warn({ container: this.#owner.id, error: messageOf(error) }, 'an opened sandbox could not be ended')
      await sandbox?.kill()
    })
    await this.#end.promise
  }

  async #ended(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#context.volumes.detach(this.#owner.id)
    if (this.#owner.opened === this) this.#owner.opened = null
    // What is stored may name it a little longer: who looks for it finds that it is gone.
    if (this.#owner.container.sandbox !== null) this.#owner.change({ sandbox: null })
    this.#end.resolve()
  }
}

async function openSandbox(context: EngineContext, owner: ContainerOwner, mounts: Mounts): Promise<Sandbox> {
  const { options } = context
  await owner.teardown
  const { id, project, spec, scratchBaseBytes } = owner.container
  const path = owner.scratchPath
  const fresh = scratchBaseBytes === null
  // What a start left that was never stored.
  if (fresh) await rm(path, { force: true })
  const image = await options.images.blockImage(spec.imageId)
  // Of the kind that is kept ready: no process will be in it that could use its card.
  const size = sizeNamed(options.sizes, options.defaultSize)
  const network = options.networks.defaultNetwork(project).id
  const signal = AbortSignal.timeout(openDeadlineMs)
  const volumes = await attachVolumes(context, owner.container, mounts, signal)
  const scratch = { path, fresh }
  const sandbox = await options.sandboxes.claim({ id, size, network, image, scratch, volumes }, { signal })
  try {
    const resolvConf = await options.networks.resolvConf()
    const attached = sandbox.handle.volumes ?? []
    await Promise.all([
      sandbox.configure(configurationOf(spec, undefined)),
      sandbox.createContainer(
        openedContainerOf(owner.container, { size, resolvConf, mounts, volumes: attached }),
      ),
      remember(owner, sandbox),
    ])
    if (fresh) await makeWorkingDirectory(sandbox.files, owner.container)
    return sandbox
  } catch (error) {
    await sandbox.kill().catch((killing) => {
      context.log.error({ container: id, error: messageOf(killing) }, 'a sandbox could not be killed')
    })
    throw error
  }
}

/** From here on its disk is kept, and the next daemon knows of the sandbox. */
async function remember(owner: ContainerOwner, sandbox: Sandbox): Promise<void> {
  const base = owner.container.scratchBaseBytes ?? (await stat(owner.scratchPath)).blocks * 512
  owner.change({ sandbox: sandbox.handle, scratchBaseBytes: base })
  await owner.save()
}
