/**
 * Builds images of Dockerfiles, as dockerd's classic builder does.
 *
 *     context (tar) ──> tree, spooled ──┐
 *     Dockerfile ──> stages of steps ───┼──> each step: used again from the cache, or a layer made of files of the context
 *     images of FROM ───────────────────┘    and of other images, or a command run in a microVM ──> image upon image
 *
 * Every step makes an image, which the next one goes on with; they are the cache too, and go with what was made of them.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type Dockerfile, parseDockerfile, type Stage } from '../images/dockerfile/dockerfile.ts'
import { dockerfileBytesMax } from '../images/dockerfile/lines.ts'
import { decompressed } from '../lib/compression.ts'
import { cancelled, hasCode, invalid, kindOf, messageOf } from '../lib/errors.ts'
import { newId, shortId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { minuteMs } from '../lib/units.ts'
import { BuildArgs } from './args.ts'
import type { Building } from './building.ts'
import { type BuildContext, receiveContext } from './context.ts'
import { isIgnored } from './glob.ts'
import { Journal } from './journal.ts'
import { type BuildLimits, defaultLimits, ignoreFileBytesMax } from './limits.ts'
import { BuildOutput } from './output.ts'
import type { BuildContainers, BuildImages, BuildRecords, BuildStep, Scope } from './ports.ts'
import type { BuildOptions, BuildRequest } from './request.ts'
import { buildStages } from './stages.ts'
import { bytesOf, resolve } from './tree.ts'

export interface BuilderOptions {
  readonly images: BuildImages
  readonly containers: BuildContainers
  readonly records: BuildRecords
  /** For contexts while they are in use, and the names of containers that run for builds. */
  readonly directory: string
  readonly log: Log
  readonly limits?: Partial<BuildLimits>
}

/** Takes away what builds of an earlier daemon left: contexts, and containers of commands that nobody waits for any more. */
export async function createBuilder(options: BuilderOptions): Promise<Builder> {
  const contexts = join(options.directory, 'contexts')
  await rm(contexts, { recursive: true, force: true })
  await mkdir(contexts, { recursive: true, mode: 0o700 })
  const journal = new Journal(join(options.directory, 'containers'))
  for (const { project, container } of await journal.start()) {
    await removeLeft(options, { project }, container)
    await journal.ended(container)
  }
  return new Builder(options, journal)
}

async function removeLeft(
  { containers, log }: BuilderOptions,
  scope: Scope,
  container: string,
): Promise<void> {
  try {
    await containers.remove(scope, container, { force: true, volumes: true })
  } catch (error) {
    if (kindOf(error) === 'not_found') return
    log.error({ container, error: messageOf(error) }, 'a container of a build that is over cannot be removed')
  }
}

/** After the last build: by then nobody who asked for a block image of a step is still to open it. */
const sweepMs = 4 * minuteMs

export class Builder {
  readonly #options: BuilderOptions
  readonly #journal: Journal
  readonly #limits: BuildLimits
  /** Those that a client may cancel by the id it gave them. */
  readonly #running = new Map<string, AbortController>()
  readonly #preparing = new Set<Promise<void>>()
  #sweep: NodeJS.Timeout | undefined

  constructor(options: BuilderOptions, journal: Journal) {
    this.#options = options
    this.#journal = journal
    this.#limits = { ...defaultLimits, ...options.limits }
  }

  /**
   * Rejects with kind `invalid` what cannot be built, before anything is told of it; later failures are of the steps: of a
   * command with code `build_command_failed`, and its exit code in `details.exitCode`. What was made until then stays, as the cache.
   */
  async build(scope: Scope, request: BuildRequest, source: Readable, options: BuildOptions): Promise<void> {
    const { images } = this.#options
    const tags = request.tags.map((tag) => images.checkTag(tag))
    const abort = new AbortController()
    const signal = AbortSignal.any([options.signal, abort.signal])
    const key = `${scope.project} ${request.id}`
    if (request.id !== '') this.#running.set(key, abort)
    try {
      await using context = await receiveContext(decompressed(source), {
        path: this.#temporaryPath(),
        limits: this.#limits,
        signal,
      })
      await this.#buildIn(scope, request, { context, tags, signal, progress: options.progress })
    } catch (error) {
      if (!signal.aborted || options.signal.aborted) throw error
      throw cancelled('build_cancelled', 'Build cancelled', { cause: error })
    } finally {
      if (this.#running.get(key) === abort) this.#running.delete(key)
      this.#sweepLater()
    }
  }

  /** When what goes on after builds were answered for has ended. */
  async close(): Promise<void> {
    clearTimeout(this.#sweep)
    await Promise.allSettled(this.#preparing)
  }

  /** Of a build that is not there, nothing. */
  cancel({ project }: Scope, id: string): void {
    this.#running.get(`${project} ${id}`)?.abort()
  }

  /** The steps that would be used again. */
  steps({ project }: Scope): Promise<readonly BuildStep[]> {
    return this.#options.records.list(project)
  }

  /** Forgets steps; the images that they made go with `image prune`. */
  async prune({ project }: Scope, picks: (step: BuildStep) => boolean): Promise<readonly string[]> {
    const steps = (await this.#options.records.list(project)).filter(picks)
    const images = steps.map(({ image }) => image)
    await this.#options.records.clear(project, images)
    return images
  }

  async #buildIn(
    scope: Scope,
    request: BuildRequest,
    given: {
      readonly context: BuildContext
      readonly tags: readonly string[]
      readonly signal: AbortSignal
      readonly progress: BuildOptions['progress']
    },
  ): Promise<void> {
    const { images, containers, records } = this.#options
    const { context, tags, signal, progress } = given
    const file = withLabels(
      forTarget(parseDockerfile(await readDockerfile(context, request)), request),
      request,
    )
    using pins = new DisposableStack()
    const output = new BuildOutput(request.quiet ? () => {} : progress)
    const args = new BuildArgs(request.args)
    const building: Building = {
      ...{ scope, request, images, containers, records, context, args, output, signal, pins },
      journal: this.#journal,
      limits: this.#limits,
      temporaryPath: () => this.#temporaryPath(),
    }
    for (const warning of file.warnings) output.say(`${warning}\n`)
    const id = await buildStages(building, file)
    const unused = args.unused()
    if (unused.length > 0) {
      output.say(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`)
    }
    output.say(`Successfully built ${shortId(id.slice('sha256:'.length))}\n`)
    for (const tag of tags) {
      await images.tag(scope, id, tag)
      output.say(`Successfully tagged ${tag}\n`)
    }
    if (request.quiet) progress({ stream: `${id}\n` })
    this.#prepare(id)
  }

  /** Its first container need not wait for the block image then. */
  #prepare(id: string): void {
    this.#options.images.blockImage(id).catch((error) => {
      if (hasCode(error, 'no_such_image')) return
      this.#options.log.warn(
        { image: id, error: messageOf(error) },
        'the block image of a build cannot be made',
      )
    })
  }

  #sweepLater(): void {
    clearTimeout(this.#sweep)
    this.#sweep = setTimeout(() => {
      this.#options.images.sweepSteps().catch((error) => {
        this.#options.log.warn({ error: messageOf(error) }, 'block images of steps cannot be taken away')
      })
    }, sweepMs).unref()
  }

  #temporaryPath(): string {
    return join(this.#options.directory, 'contexts', newId())
  }
}

const defaultName = 'Dockerfile'

/** `Dockerfile` may be `dockerfile`. What .dockerignore takes out is not copied afterwards, as dockerd. */
async function readDockerfile(context: BuildContext, { dockerfile }: BuildRequest): Promise<string> {
  const name = dockerfile || defaultName
  const find = (path: string) => resolve(context, bytesOf(path), { follow: true }).node
  const node = find(name) ?? (name === defaultName ? find(defaultName.toLowerCase()) : null)
  if (node?.kind !== 'file') throw invalid('no_dockerfile', `Cannot locate specified Dockerfile: ${name}`)
  const text = await readText(context, node, {
    name: `the Dockerfile (${name})`,
    bytesMax: dockerfileBytesMax,
  })
  if (text === '') throw invalid('empty_dockerfile', `the Dockerfile (${name}) cannot be empty`)
  await applyIgnoreFile(context, name)
  return text
}

/** The client leaves out what is ignored, but sends these two whatever they say of themselves. */
async function applyIgnoreFile(context: BuildContext, dockerfile: string): Promise<void> {
  const node = context.root.children.get('.dockerignore')
  if (node?.kind !== 'file') return
  const patterns = await readText(context, node, { name: '.dockerignore', bytesMax: ignoreFileBytesMax })
  for (const name of ['.dockerignore', dockerfile]) {
    if (isIgnored(patterns, name)) context.root.children.delete(bytesOf(name))
  }
}

async function readText(
  context: BuildContext,
  node: Parameters<BuildContext['content']>[0],
  { name, bytesMax }: { readonly name: string; readonly bytesMax: number },
): Promise<string> {
  if (node.size > bytesMax) throw invalid('file_too_large', `${name} has more than ${bytesMax} bytes`)
  return Buffer.concat(await Array.fromAsync(context.content(node))).toString()
}

/** The stages up to the one that is wanted. */
function forTarget(file: Dockerfile, { target }: BuildRequest): Dockerfile {
  if (target === '') return file
  const index = findStage(file.stages, target)
  if (index < 0) throw invalid('no_target', `failed to reach build target ${target} in Dockerfile`)
  return { ...file, stages: file.stages.slice(0, index + 1) }
}

/** By name, or by number. */
function findStage(stages: readonly Stage[], wanted: string): number {
  const index = stages.findLastIndex(({ from }) => from.stage === wanted.toLowerCase())
  if (index >= 0) return index
  return /^\d{1,4}$/.test(wanted) && Number(wanted) < stages.length ? Number(wanted) : -1
}

/** `--label` is one more instruction. */
function withLabels(file: Dockerfile, { labels }: BuildRequest): Dockerfile {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  if (pairs.length === 0) return file
  const quoted = (text: string) => `'${text.replaceAll("'", `'"'"'`)}'`
  const source = `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`
  const last = file.stages.at(-1)!
  const step = {
    name: 'LABEL' as const,
    // What the client says is not for expansion.
    pairs: pairs.map(([key, value]) => ({ key: quoted(key), value: quoted(value) })),
    at: 0,
    source,
  }
  return { ...file, stages: [...file.stages.slice(0, -1), { ...last, steps: [...last.steps, step] }] }
}
