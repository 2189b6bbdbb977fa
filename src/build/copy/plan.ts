/** Where the files of COPY and ADD go: a list of the entries of a layer, made against what is in the image already. */
import { posix } from 'node:path'
import { invalid } from '../../lib/errors.ts'
import type { Owner } from '../owner.ts'
import { type FileTree, type Overlay, plainDirectory, resolve, shown, type TreeNode } from '../tree.ts'
import { type Source, walk } from './sources.ts'

export interface LayerEntry {
  readonly path: string
  readonly node: Omit<TreeNode, 'inode'>
  /** Holds the content of a file. */
  readonly tree: FileTree | null
  /** Another name of the file that was put there before. */
  readonly link: string | null
}

export interface Target {
  /** Absolute. One that ends in a slash is a directory. */
  readonly path: string
  /** null: as the sources have it. */
  readonly owner: Owner | null
  /** null: as the sources have it. */
  readonly mode: number | null
}

/** `image` is changed to what it will be. Rejects with kind `invalid`. */
export function planCopy(image: Overlay, sources: readonly Source[], target: Target): LayerEntry[] {
  const plan = new Plan(image, target)
  for (const source of sources) {
    if (source.node.kind === 'directory') plan.directory(source, target.path)
    else plan.file(source, target.path)
  }
  return plan.entries
}

/** A directory and what is missing on the way to it. */
export function planDirectory(image: Overlay, path: string): LayerEntry[] {
  const plan = new Plan(image, { path, owner: null, mode: null })
  plan.make(plan.resolve(path))
  return plan.entries
}

class Plan {
  readonly entries: LayerEntry[] = []
  readonly #image: Overlay
  readonly #target: Target
  /** Of each tree, where a file with several names was put first. */
  readonly #placed = new Map<FileTree, Map<number, string>>()

  constructor(image: Overlay, target: Target) {
    this.#image = image
    this.#target = target
  }

  /** Through links of the image, to where it really is. */
  resolve(path: string): readonly string[] {
    return resolve(this.#image, path, { follow: true }).parts
  }

  /** What is in the directory goes into the target. */
  directory(source: Source, target: string): void {
    const { parts, node } = resolve(this.#image, target, { follow: true })
    if (node && node.kind !== 'directory') {
      throw invalid('copy_failed', `cannot copy to non-directory: ${shown(target)}`)
    }
    this.make(parts)
    for (const { path, node: file } of walk(source))
      this.#put([...parts, ...path.split('/')], file, source.tree)
  }

  file(source: Source, target: string): void {
    const { parts, node } = resolve(this.#image, target, { follow: true })
    const isInto = target.endsWith('/') || node?.kind === 'directory'
    if (target.endsWith('/') && node && node.kind !== 'directory') {
      throw invalid('copy_failed', `cannot copy to non-directory: ${shown(target)}`)
    }
    const place = isInto ? [...parts, source.name] : parts
    this.make(place.slice(0, -1))
    this.#put(place, source.node, source.tree)
  }

  /** Makes the directories that are missing. */
  make(parts: readonly string[]): void {
    let directory = this.#image.root
    for (const [i, part] of parts.entries()) {
      const found = this.#image.child(directory, part)
      if (found && found.kind !== 'directory') {
        throw invalid('copy_failed', `mkdir /${shown(parts.slice(0, i + 1).join('/'))}: not a directory`)
      }
      if (!found) {
        const { owner } = this.#target
        this.#add(parts.slice(0, i + 1), { ...plainDirectory, ...(owner ?? {}), mtime: now() }, null)
      }
      directory = this.#image.child(directory, part)!
    }
  }

  #put(parts: readonly string[], node: TreeNode, tree: FileTree): void {
    const path = parts.join('/')
    if (node.kind !== 'file') {
      this.#add(parts, this.#changed(node), null)
      return
    }
    const placed = this.#placed.get(tree) ?? new Map<number, string>()
    this.#placed.set(tree, placed)
    const first = placed.get(node.inode)
    placed.set(node.inode, first ?? path)
    this.#add(parts, this.#changed(node), tree, first === path ? null : (first ?? null))
  }

  /** As it was asked for. */
  #changed(node: TreeNode): TreeNode {
    const { owner, mode } = this.#target
    const hasMode = mode !== null && node.kind !== 'symlink'
    return { ...node, ...(owner ?? {}), ...(hasMode ? { mode } : {}) }
  }

  #add(
    parts: readonly string[],
    node: Omit<TreeNode, 'inode'>,
    tree: FileTree | null,
    link: string | null = null,
  ): void {
    const reserved = parts.find((part) => part.startsWith('.wh.'))
    if (reserved !== undefined) {
      throw invalid(
        'copy_failed',
        `${shown(parts.join('/'))}: a name that begins with .wh. means a deleted file in a layer`,
      )
    }
    this.entries.push({ path: parts.join('/'), node, tree, link })
    this.#image.put(parts, node)
  }
}

const now = () => Math.floor(Date.now() / 1000)

/** A target that is not absolute is meant from the working directory; a slash at its end is kept. */
export function absoluteTarget(workingDir: string, target: string): string {
  const path = posix.resolve('/', workingDir, target)
  return target.endsWith('/') && path !== '/' ? `${path}/` : path
}
