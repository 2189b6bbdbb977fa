/** One build while it goes on: what all its steps share. */
import { createHash } from 'node:crypto'
import type { ImageConfig } from '../engine/ports/images.ts'
import { kindOf } from '../lib/errors.ts'
import type { BuildArgs } from './args.ts'
import type { BuildContext } from './context.ts'
import type { Journal } from './journal.ts'
import type { BuildLimits } from './limits.ts'
import type { BuildOutput } from './output.ts'
import type { BuildContainers, BuildImages, BuildRecords, Scope } from './ports.ts'
import type { BuildRequest } from './request.ts'

export interface Building {
  readonly scope: Scope
  readonly request: BuildRequest
  readonly images: BuildImages
  readonly containers: BuildContainers
  readonly records: BuildRecords
  readonly limits: BuildLimits
  readonly context: BuildContext
  readonly args: BuildArgs
  readonly output: BuildOutput
  readonly signal: AbortSignal
  readonly journal: Journal
  /** Images that nobody may take away until the build is over. */
  readonly pins: DisposableStack
  /** A path for a file of the caller's. */
  readonly temporaryPath: () => string
}

/** What a step depends on, and what it makes. */
export interface StepResult {
  /** '' for `FROM scratch`. */
  readonly parent: string
  readonly config: ImageConfig
  readonly author: string
  readonly createdBy: string
}

/** The image that this step made before, if it may be taken. */
export async function cached(building: Building, step: StepResult): Promise<string | null> {
  const { records, scope, images, pins, request } = building
  if (request.noCache) return null
  const id = await records.find(scope.project, step.parent, keyOf(step))
  if (id === null) return null
  pins.use(images.pin(id))
  try {
    await images.resolve(scope.project, id)
  } catch (error) {
    // It was removed just before it was pinned.
    if (kindOf(error) === 'not_found') return null
    throw error
  }
  building.output.say(' ---> Using cache\n')
  return id
}

export async function makeImage(
  building: Building,
  step: StepResult,
  layer: AsyncIterable<Buffer> | null,
): Promise<string> {
  const { images, records, scope, signal, pins } = building
  const { parent, config, author, createdBy } = step
  const derived = { parent: parent === '' ? null : parent, config, layer, author, createdBy }
  const { id } = await images.derive(scope.project, derived, { signal })
  pins.use(images.pin(id))
  await records.add(scope.project, { parent, key: keyOf(step), image: id, description: createdBy })
  return id
}

const keyOf = ({ config, author, createdBy }: StepResult): string =>
  createHash('sha256')
    .update(JSON.stringify([createdBy, author, config]))
    .digest('hex')
