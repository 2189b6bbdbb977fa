/**
 * The way to the files of a container, whatever it is doing: in its own sandbox while it has one, which runs for that time
 * when it is paused, else in one that is opened for it.
 */
import { conflict, hasCode } from '../../lib/errors.ts'
import type { EngineContext } from '../context.ts'
import { denial } from '../lifecycle.ts'
import type { ContainerMount } from '../model.ts'
import type { ContainerOwner } from '../owner.ts'
import type { SandboxFiles } from '../ports/files.ts'
import type { Run } from '../run.ts'
import { isWithin } from './names.ts'
import { Opened } from './opened.ts'

/** Until it is disposed of, the sandbox is not ended in order; one that ends all the same fails the work in it. */
export interface Access extends AsyncDisposable {
  readonly files: SandboxFiles
  /** Its processes would run, and stand still for this. */
  readonly isStill: boolean
}

type Found =
  | {
      readonly files: Promise<SandboxFiles> | SandboxFiles
      readonly isStill?: boolean
      readonly end: () => void | Promise<void>
    }
  | { readonly later: Promise<unknown> }

interface Needs {
  /** Its processes stand still meanwhile. */
  readonly still?: boolean
  /** A path that is to be reached, and with it the volumes that are on the way or below; else none of them is. */
  readonly path?: string
  /** How long its sandbox waits for this when it could end. */
  readonly patienceMs?: number
}

export async function openFiles(
  context: EngineContext,
  owner: ContainerOwner,
  needs: Needs = {},
): Promise<Access> {
  for (;;) {
    const found = await owner.queue.run(() => find(context, owner, needs))
    if ('later' in found) {
      await found.later
      continue
    }
    try {
      return {
        files: await found.files,
        isStill: found.isStill ?? false,
        [Symbol.asyncDispose]: async () => found.end(),
      }
    } catch (error) {
      await found.end()
      throw error
    }
  }
}

/** In the owner's queue. */
async function find(context: EngineContext, owner: ContainerOwner, needs: Needs): Promise<Found> {
  const { run } = owner
  switch (owner.status) {
    case 'running':
    case 'stopping':
    case 'paused':
      run!.filesPatienceMs = Math.max(run!.filesPatienceMs, needs.patienceMs ?? 0)
      return inRun(owner, run!, needs.still ?? false)
    case 'starting':
      return { later: run!.started.promise.catch(() => {}) }
    case 'removing':
      throw denial('is_removing', owner.container)
    case 'dead':
      throw conflict('dead', `container ${owner.id} is Dead: it can only be removed`)
    case 'created':
    case 'exited':
    case 'restarting':
      break
    default:
      owner.status satisfies never
  }
  if (context.isClosing) throw conflict('closing', 'the daemon is ending')
  const mounts = mountsNear(owner.container.spec.mounts, needs.path)
  if (owner.opened && !owner.opened.serves(mounts)) return { later: owner.opened.close({ now: false }) }
  owner.opened ??= new Opened(context, owner, mounts)
  return owner.opened.borrow()
}

/** Volumes that others use are no obstacle to who wants something else of the container. */
function mountsNear(mounts: readonly ContainerMount[], path: string | undefined): readonly ContainerMount[] {
  if (path === undefined) return []
  return mounts.filter(({ destination }) => isWithin(path, destination) || isWithin(destination, path))
}

/** A paused guest runs until the last has done; also one that is paused meanwhile. */
async function inRun(owner: ContainerOwner, run: Run, still: boolean): Promise<Found> {
  const sandbox = run.sandbox!
  if (run.frozen && !run.fileUses.any) await sandbox.resume()
  if (still && !run.frozen && !run.stillUses.any) await sandbox.freeze(owner.id)
  const ends = [run.fileUses.begin(), ...(still ? [run.stillUses.begin()] : [])]
  const restore = async () => {
    if (owner.run !== run) return
    if (run.frozen && !run.fileUses.any) await sandbox.pause()
    if (still && !run.frozen && !run.stillUses.any) await sandbox.thaw(owner.id)
  }
  return {
    files: sandbox.files,
    isStill: still && !run.frozen,
    end: async () => {
      for (const end of ends) end()
      if (run.frozen || still) await owner.queue.run(restore).catch(unlessGone)
    },
  }
}

/** It ended meanwhile: there is nothing to be put back. */
function unlessGone(error: unknown): void {
  if (!hasCode(error, 'sandbox_gone')) throw error
}
