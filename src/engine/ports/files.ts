/**
 * What the engine needs of the files of a container: to look at one, to read and write trees of them, and to know what was
 * changed of the image. They are in a disk that only the guest opens; a container that does not run is read in a sandbox
 * made for it, without a process.
 */

export type FileKind = 'file' | 'directory' | 'symlink' | 'link' | 'character' | 'block' | 'fifo' | 'socket'

export interface FileEntry {
  /** Relative to the tree's root, without a leading slash; '' is the root itself. As lib/file-names.ts has names, and so is `target`. */
  readonly path: string
  /** `link`: another name of the file `target`, which came before. */
  readonly kind: FileKind
  /** The lowest twelve bits: permissions, setuid, setgid, sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  /** Bytes of content; 0 of what is not a `file`. */
  readonly size: number
  /** Of a symlink as it is written; of a `link` a path of the same tree; else ''. */
  readonly target: string
  /** Of `character` and `block`. */
  readonly device: { readonly major: number; readonly minor: number }
  readonly xattrs: ReadonlyMap<string, Buffer>
}

/** `content` is there for a `file`, and is read before the next record is asked for. */
export interface FileRecord {
  readonly entry: FileEntry
  readonly content?: AsyncIterable<Buffer>
}

export interface FileChange {
  /** Absolute. */
  readonly path: string
  readonly kind: 'modified' | 'added' | 'deleted'
}

export interface PathStat {
  readonly entry: FileEntry
  /** Absolute, of what a symlink leads to, as the container sees it; '' when it is none. */
  readonly resolved: string
}

/**
 * Paths are absolute, as the container sees them, its volumes included. All reject with kind `invalid`, code `file_error`, and the
 * kernel's error by name (`ENOENT`, `ENOTDIR`, `EROFS`, `ENOSPC`) in `details.errno`.
 */
export interface SandboxFiles {
  /** A symlink is told of, not followed; those on the way are followed. */
  stat(container: string, path: string): Promise<PathStat>
  /** The tree at `path`, a directory before what is in it. `oneFileSystem`: of what is mounted in it the mount point alone. */
  read(container: string, path: string, options?: { oneFileSystem?: boolean }): AsyncIterable<FileRecord>
  /**
   * Puts a tree into the directory `path`. What is there already is replaced; a directory is merged into a directory.
   * `noOverwrite`: a directory is never replaced by something else, nor something else by a directory (`EEXIST`).
   * Missing parents are made. Rejects with `ENOTDIR` when `path` is no directory.
   */
  write(
    container: string,
    path: string,
    records: AsyncIterable<FileRecord>,
    options?: { noOverwrite?: boolean },
  ): Promise<void>
  /** What the container's own layer has over its image, sorted as a walk meets it. */
  changes(container: string): AsyncIterable<FileChange>
  /**
   * The container's own layer: what was deleted is a `character` device 0:0, and a directory that hides the image's has the
   * attribute `trusted.overlay.opaque`.
   */
  layer(container: string): AsyncIterable<FileRecord>
}
