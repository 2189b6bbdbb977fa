/**
 * What images are remembered as: a port, implemented in store/. An image and its layers are stored once for everybody; a
 * project has it when it pulled, loaded, imported or made it, and names belong to a project.
 */

/** One layer as it lies in the content store. All of it was verified. */
export interface StoredLayer {
  /** Of the bytes as stored. */
  readonly digest: string
  readonly bytes: number
  readonly compression: 'none' | 'gzip' | 'zstd'
  /** Of the tar within. */
  readonly diffId: string
  readonly tarBytes: number
  /** Bytes of the files in it. */
  readonly contentBytes: number
}

export interface StoredImage {
  readonly id: string
  /** The configuration's JSON, to the byte. */
  readonly config: string
  readonly layers: readonly StoredLayer[]
  /** Names its block image. */
  readonly chain: string
}

/** An image with its names in a project. */
export interface ProjectImage extends StoredImage {
  readonly tags: readonly ImageName[]
  readonly digests: readonly ImageName[]
  readonly lastTaggedAt: Date | null
  /** Id of the image that it was made of here, by a build or a commit; it may be gone. */
  readonly parent: string | null
}

export interface ImageName {
  /** `docker.io/library/nginx`. */
  readonly repository: string
  /** A tag, or `sha256:…`. */
  readonly suffix: string
}

export interface NewImage {
  readonly project: string
  readonly image: StoredImage
  readonly tag?: ImageName
  readonly digest?: ImageName
  /** Where the layers came from: see `blobSources`. */
  readonly source: string
  readonly parent?: string
}

/** Files nothing refers to any more. */
export interface Freed {
  readonly blobs: readonly string[]
  readonly chains: readonly string[]
}

/** Each method is one transaction. */
export interface ImageRecords {
  /** Whichever project has it, or had it and still runs containers of it. */
  image(id: string): Promise<StoredImage | null>
  projectImage(project: string, id: string): Promise<ProjectImage | null>
  /** Newest first. */
  projectImages(project: string): Promise<readonly ProjectImage[]>
  /** Ids of the images that were made of this one and are still there. */
  children(project: string, id: string): Promise<readonly string[]>
  /** At most `limit` ids that begin with `prefix` (`sha256:ab…`). */
  idsByPrefix(project: string, prefix: string, limit: number): Promise<readonly string[]>
  idByTag(project: string, name: ImageName): Promise<string | null>
  idByDigest(project: string, name: ImageName): Promise<string | null>

  /** Adds what is not there yet. A tag that another image had moves. */
  add(image: NewImage): Promise<void>
  setTag(project: string, name: ImageName, id: string): Promise<void>
  setDigest(project: string, name: ImageName, id: string): Promise<void>
  removeName(project: string, kind: 'tag' | 'digest', name: ImageName): Promise<void>
  /** Takes the image and its names from the project; the last project's takes its record and frees what only it used. */
  forget(project: string, id: string): Promise<Freed>
  /** Takes the image and its names from the project's view, and keeps it for the containers that still need it. */
  hide(project: string, id: string): Promise<void>
  /** What `hide` left behind. */
  hidden(project: string): Promise<readonly string[]>

  blob(digest: string): Promise<StoredLayer | null>
  /**
   * Where a blob was had from, `registry/repository` or `project:ID`. To know a blob's digest is not to have it: it is
   * shared only with who may fetch it from the same place, or has it already.
   */
  blobSources(digest: string): Promise<readonly string[]>
  projectHasBlob(project: string, digest: string): Promise<boolean>
  addBlobSource(digest: string, source: string): Promise<void>
  isBlobUsed(digest: string): Promise<boolean>
  allBlobs(): Promise<readonly string[]>
  allChains(): Promise<readonly string[]>
  /** Chains of nothing but steps: all their images have no name, and others were made of them. */
  stepChains(): Promise<readonly string[]>
}
