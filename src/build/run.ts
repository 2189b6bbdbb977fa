/** One RUN: a container as any other, in a microVM of its own, whose output is told and whose files become a layer. */
import type { ContainerRequest } from '../engine/model.ts'
import type { ImageConfig } from '../engine/ports/images.ts'
import { type HummingbirdError, invalid, kindOf } from '../lib/errors.ts'
import { shortId } from '../lib/ids.ts'
import type { Building } from './building.ts'
import type { BuildRequest } from './request.ts'

export interface Command {
  /** Id of the image it runs in. */
  readonly image: string
  readonly config: ImageConfig
  readonly words: readonly string[]
  /** Arguments of the build, for this process only. */
  readonly args: readonly string[]
}

/** Hands what the container wrote to `commit` when the command has succeeded, and takes the container away. */
export async function runCommand(
  building: Building,
  command: Command,
  commit: (layer: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const { containers, scope, signal, request, output } = building
  const { container } = await containers.create(scope, containerOf(command, request))
  const short = shortId(container.id)
  await building.journal.began(scope.project, container.id)
  output.say(` ---> Running in ${short}\n`)
  let isDone = false
  try {
    await follow(building, container.id, command, commit)
    isDone = true
  } finally {
    // Of a command that failed, dockerd leaves the container for who wants to look; of a build that was given up, nothing.
    if (isDone ? request.remove : request.forceRemove || signal.aborted) {
      await remove(building, container.id)
      if (!signal.aborted) output.say(`Removing intermediate container ${short}\n`)
    }
    await building.journal.ended(container.id)
  }
}

async function follow(
  building: Building,
  id: string,
  command: Command,
  commit: (layer: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const { containers, scope, signal, output } = building
  const session = await containers.attach(scope, id, {
    stdin: false,
    stdout: true,
    stderr: true,
    logs: false,
    stream: true,
  })
  const told = (async () => {
    for await (const { stream, data } of session.output) output.bytes(stream, data)
  })()
  // Should the wait fail first, that is what is told.
  told.catch(() => {})
  try {
    const { outcome } = await containers.wait(scope, id, 'next-exit', { signal })
    outcome.catch(() => {})
    await containers.start(scope, id)
    await using layer = await containers.openLayer(scope, id)
    const { exitCode, error } = await outcome
    await told
    if (exitCode !== 0) throw failed(command, exitCode, error)
    await commit(layer.read())
  } finally {
    session.close()
  }
}

async function remove({ containers, scope }: Building, id: string): Promise<void> {
  try {
    await containers.remove(scope, id, { force: true, volumes: true })
  } catch (error) {
    // Somebody was faster.
    if (kindOf(error) !== 'not_found') throw error
  }
}

/** See `Builder.build`. */
function failed({ words }: Command, exitCode: number, error: string): HummingbirdError {
  const why = error === '' ? '' : `: ${error}`
  return invalid(
    'build_command_failed',
    `The command '${words.join(' ')}' returned a non-zero code: ${exitCode}${why}`,
    { details: { exitCode } },
  )
}

function containerOf({ image, config, words, args }: Command, { container }: BuildRequest): ContainerRequest {
  return {
    ...container,
    image,
    cmd: words,
    entrypoint: [],
    env: [...config.Env, ...args],
    ...(config.WorkingDir ? { workingDir: config.WorkingDir } : {}),
    ...(config.User ? { user: config.User } : {}),
    healthcheck: noHealthcheck,
  }
}

const noHealthcheck = {
  test: ['NONE'],
  intervalNs: 0,
  timeoutNs: 0,
  startPeriodNs: 0,
  startIntervalNs: 0,
  retries: 0,
}
