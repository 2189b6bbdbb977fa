/** What is asked of a build, in Docker's words. */
import type { ContainerRequest } from '../engine/model.ts'
import type { RegistryCredentials } from './ports.ts'

export interface BuildRequest {
  /** Path in the context. */
  readonly dockerfile: string
  readonly tags: readonly string[]
  /** Instead of the steps, only the image's id is told. */
  readonly quiet: boolean
  readonly noCache: boolean
  /** Images of FROM are asked for at the registry even if they are here. */
  readonly pull: boolean
  /** Containers of steps that succeeded are removed; `forceRemove`: of those that failed, too. */
  readonly remove: boolean
  readonly forceRemove: boolean
  /** '': the last stage. */
  readonly target: string
  /** null: named without a value. */
  readonly args: Readonly<Record<string, string | null>>
  readonly labels: Readonly<Record<string, string>>
  /** What the commands of all steps run in; image, command, user and the like are the step's. */
  readonly container: ContainerRequest
  /** By the registry's name, as clients send them. */
  readonly credentials: Readonly<Record<string, RegistryCredentials>>
  /** What `cancel` may call it. */
  readonly id: string
}

export interface BuildOptions {
  /** Is told of the build line by line, as dockerd does. */
  readonly progress: (line: Readonly<Record<string, unknown>>) => void
  readonly signal: AbortSignal
}
