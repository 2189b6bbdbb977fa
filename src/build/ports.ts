/** What a build needs of others: images, containers, and a memory of the steps it has done. */
import type { AttachSession, Container, ContainerRequest } from '../engine/model.ts'
import type { Image, ImageConfig } from '../engine/ports/images.ts'
import type { FileTree } from './tree.ts'

export interface Scope {
  readonly project: string
}

export interface DerivedImage {
  /** null: `FROM scratch`. */
  readonly parent: string | null
  readonly config: ImageConfig
  /** A tar, not compressed; null, or one without entries, adds no layer. */
  readonly layer: AsyncIterable<Buffer> | null
  readonly author: string
  readonly createdBy: string
}

export interface RegistryCredentials {
  readonly username?: string
  readonly password?: string
  readonly identityToken?: string
  readonly registryToken?: string
  readonly serverAddress?: string
}

export interface BuildImages {
  /** Rejects with kind `not_found`. */
  resolve(project: string, name: string): Promise<Image>
  pull(
    scope: Scope,
    reference: string,
    options: {
      credentials?: RegistryCredentials
      progress: (line: Readonly<Record<string, unknown>>) => void
      signal: AbortSignal
    },
  ): Promise<void>
  /** Makes an image of another; its block image is made when it is first needed. */
  derive(project: string, image: DerivedImage, options: { signal: AbortSignal }): Promise<{ id: string }>
  /** The files of an image, as all its layers make them. To be disposed of. */
  files(id: string): Promise<FileTree & Disposable>
  /** Until it is disposed of, nobody can remove or prune the image. */
  pin(id: string): Disposable
  tag(scope: Scope, ref: string, target: string): Promise<void>
  /** Rejects what cannot be a tag; answers it in full, as people know it. */
  checkTag(target: string): string
  /** Makes the block image, so that the first container of it need not wait. */
  blockImage(id: string): Promise<string>
  /** Gives back the disk that steps take and nobody has asked for lately. */
  sweepSteps(): Promise<void>
}

export interface BuildContainers {
  create(scope: Scope, request: ContainerRequest): Promise<{ container: Container }>
  attach(
    scope: Scope,
    ref: string,
    options: { stdin: boolean; stdout: boolean; stderr: boolean; logs: boolean; stream: boolean },
  ): Promise<AttachSession>
  start(scope: Scope, ref: string): Promise<void>
  wait(
    scope: Scope,
    ref: string,
    condition: 'next-exit',
    options: { signal: AbortSignal },
  ): Promise<{ outcome: Promise<{ exitCode: number; error: string }> }>
  remove(scope: Scope, ref: string, options: { force: boolean; volumes: boolean }): Promise<void>
  /** What it wrote over its image, as the tar of a layer. Until it is disposed of, its sandbox stays. */
  openLayer(scope: Scope, ref: string): Promise<AsyncDisposable & { read(): AsyncIterable<Buffer> }>
}

/** One step that was done: the same upon the same image gives the same. */
export interface BuildStep {
  /** Id of the image it was done upon; '' for `FROM scratch`. */
  readonly parent: string
  /** A hash of all that the step depends on. */
  readonly key: string
  readonly image: string
  /** As the history has it. */
  readonly description: string
  readonly createdAt: Date
  readonly usedAt: Date
  readonly uses: number
}

/** Steps go with the image they made. */
export interface BuildRecords {
  /** Counts as a use. */
  find(project: string, parent: string, key: string): Promise<string | null>
  /** One of the same parent and key is replaced. */
  add(project: string, step: Pick<BuildStep, 'parent' | 'key' | 'image' | 'description'>): Promise<void>
  list(project: string): Promise<readonly BuildStep[]>
  clear(project: string, images: readonly string[]): Promise<void>
}
