/** `docker cp`: what a path is, a tree out of a container as a tar, and a tar into a directory of it. */

import { decompressed } from '../../lib/compression.ts'
import { invalid } from '../../lib/errors.ts'
import { type EngineContext, tell } from '../context.ts'
import type { ContainerOwner } from '../owner.ts'
import type { FileEntry, PathStat, SandboxFiles } from '../ports/files.ts'
import { openFiles } from './access.ts'
import { explained, fileFailure, writeFailure } from './errors.ts'
import { type AskedPath, askedPath, isWithin, rebased } from './names.ts'
import { recordsOf } from './tar-in.ts'
import { tarOf } from './tar-out.ts'
import { ownerOf } from './user-ids.ts'

/** What is at a path of a container. */
export interface ContainerPathStat {
  /** The last part of the path that was asked for. */
  readonly name: string
  readonly entry: FileEntry
  /** Absolute; '' of what is no symbolic link. */
  readonly linkTarget: string
}

/** To be disposed of when it was read, or given up: until then the container's files are in use. */
export interface ContainerArchive extends AsyncDisposable {
  readonly stat: ContainerPathStat
  readonly content: AsyncIterable<Buffer>
}

export interface ExtractOptions {
  readonly path: string
  /** A directory is never replaced by something else, nor something else by a directory. */
  readonly noOverwrite: boolean
  /** All becomes the container's user's. */
  readonly toUser: boolean
  readonly signal: AbortSignal
}

export async function statPath(
  context: EngineContext,
  owner: ContainerOwner,
  { path, ref }: { readonly path: string; readonly ref: string },
): Promise<ContainerPathStat> {
  const asked = askedPath(path)
  await using access = await openFiles(context, owner, { path: asked.path })
  return (await lookAt(access.files, owner.id, asked, ref)).stat
}

export async function readArchive(
  context: EngineContext,
  owner: ContainerOwner,
  { path, ref }: { readonly path: string; readonly ref: string },
): Promise<ContainerArchive> {
  const asked = askedPath(path)
  const access = await openFiles(context, owner, { path: asked.path })
  try {
    const { stat, path: at } = await lookAt(access.files, owner.id, asked, ref)
    const records = access.files.read(owner.id, at)
    const content = explained(tarOf(records, rebased(asked.base)), { path, ref })
    tell(context, owner.container, 'archive-path')
    return { stat, content, [Symbol.asyncDispose]: () => access[Symbol.asyncDispose]() }
  } catch (error) {
    await access[Symbol.asyncDispose]()
    throw error
  }
}

export async function extractArchive(
  context: EngineContext,
  owner: ContainerOwner,
  source: AsyncIterable<Buffer>,
  options: ExtractOptions & { readonly ref: string },
): Promise<void> {
  const asked = askedPath(options.path)
  const { ref } = options
  await using access = await openFiles(context, owner, { path: asked.path })
  const { files } = access
  const { stat, path } = await lookAt(files, owner.id, { ...asked, entered: false }, ref)
  const directory = stat.linkTarget === '' ? path : stat.linkTarget
  const found = stat.linkTarget === '' ? stat.entry : (await look(files, owner.id, directory, options)).entry
  if (found.kind !== 'directory') {
    throw invalid('not_a_directory', 'extraction point is not a directory')
  }
  const identity = options.toUser ? await ownerOf(files, owner.container) : null
  const tree = { directory, ...(identity ? { owner: identity } : {}) }
  const records = recordsOf(decompressed(untilAborted(source, options.signal)), tree)
  try {
    await files.write(owner.id, directory, records, { noOverwrite: options.noOverwrite })
  } catch (error) {
    const { mounts } = owner.container.spec
    const isVolume = mounts.some(({ destination }) => isWithin(directory, destination))
    throw writeFailure(error, { ...options, isVolume })
  } finally {
    await records.return(undefined)
  }
  tell(context, owner.container, 'extract-to-dir')
}

/** `path` of the answer: what is to be read. */
async function lookAt(
  files: SandboxFiles,
  container: string,
  { given, path, entered, base }: AskedPath,
  ref: string,
): Promise<{ stat: ContainerPathStat; path: string }> {
  const where = { path: given, ref }
  const first = await look(files, container, path, where)
  const follows = entered && first.entry.kind === 'symlink'
  const { entry, resolved } = follows ? await look(files, container, first.resolved, where) : first
  if (entered && entry.kind !== 'directory') throw invalid('not_a_directory', `${given}: not a directory`)
  return { stat: { name: base, entry, linkTarget: resolved }, path: follows ? first.resolved : path }
}

async function look(
  files: SandboxFiles,
  container: string,
  path: string,
  where: { readonly path: string; readonly ref: string },
): Promise<PathStat> {
  try {
    return await files.stat(container, path)
  } catch (error) {
    throw fileFailure(error, where)
  }
}

async function* untilAborted(source: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    signal.throwIfAborted()
    yield chunk
  }
}
