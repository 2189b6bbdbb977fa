/**
 * What the engine needs of images: an image by any name a user may give, and its read-only block image.
 */

/** The `config` part of an OCI image configuration, in Docker's words. */
export interface ImageConfig {
  readonly User: string
  readonly ExposedPorts: Readonly<Record<string, object>>
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[] | null
  readonly Cmd: readonly string[] | null
  readonly Volumes: Readonly<Record<string, object>>
  readonly WorkingDir: string
  readonly Labels: Readonly<Record<string, string>>
  readonly StopSignal: string
  readonly Shell: readonly string[] | null
  readonly OnBuild: readonly string[] | null
  /** Times in nanoseconds, as Docker. */
  readonly Healthcheck: {
    readonly Test?: readonly string[]
    readonly Interval?: number
    readonly Timeout?: number
    readonly StartPeriod?: number
    readonly StartInterval?: number
    readonly Retries?: number
  } | null
}

export interface Image {
  /** `sha256:…`, the digest of the configuration, as Docker's image id. */
  readonly id: string
  readonly config: ImageConfig
}

/** An image that is to be made of a container. */
export interface CommitRequest {
  /** Id of the image that the container is of. */
  readonly parent: string
  /** What the container runs with; asked for is what shall be said instead of it. */
  readonly container: ImageConfig
  readonly asked: Partial<ImageConfig>
  /** Lines of a Dockerfile that only change the configuration. */
  readonly changes: readonly string[]
  /** What the container wrote over its image, as a layer's tar; an empty one makes an image without a further layer. */
  readonly layer: AsyncIterable<Buffer>
  readonly author: string
  readonly comment: string
  /** For the image's history. */
  readonly createdBy: string
  /** `repository:tag`. */
  readonly reference?: string
}

export interface ImageStore {
  /**
   * `name`: reference (`nginx`, `localhost:5000/a/b:1`, `…@sha256:…`), id, or a unique prefix of an id with or without
   * `sha256:`. Rejects with kind `not_found`, message `No such image: NAME:TAG` as dockerd, when the project has none.
   */
  resolve(project: string, name: string): Promise<Image>
  /** Path of the block image (made once, padded to the nominal size of an image disk). */
  blockImage(id: string): Promise<string>
  /**
   * Rejects with kind `invalid`, before anything of the layer is read, when the changes or the reference cannot be. Answers
   * the image's id, and its name as people know it ('' without a reference).
   */
  commit(
    project: string,
    request: CommitRequest,
    options: { signal: AbortSignal },
  ): Promise<{ readonly id: string; readonly name: string }>
}
