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

export interface ImageStore {
  /**
   * `name`: reference (`nginx`, `localhost:5000/a/b:1`, `…@sha256:…`), id, or a unique prefix of an id with or without
   * `sha256:`. Rejects with kind `not_found`, message `No such image: NAME:TAG` as dockerd, when the project has none.
   */
  resolve(project: string, name: string): Promise<Image>
  /** Path of the block image (made once, padded to the nominal size of an image disk). */
  blockImage(id: string): Promise<string>
}
