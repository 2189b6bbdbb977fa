/**
 * Trees of files as a build reads them: its context, an image, an unpacked archive. Names are strings of one character a
 * byte, as in tars. Paths are resolved here, within the tree: a symbolic link never leads out of it.
 */
import { invalid } from '../lib/errors.ts'
import { linksMax } from './limits.ts'

export type NodeKind = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo'

export interface TreeNode {
  readonly kind: NodeKind
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly size: number
  readonly target: string
  readonly device: { readonly major: number; readonly minor: number }
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** The same for all names of a file. */
  readonly inode: number
}

/** What is looked up on the way along a path. */
export interface Lookup<Node extends { kind: NodeKind; target: string } = TreeNode> {
  readonly root: Node
  /** null: there is none, or `directory` is no directory. Links are not followed. */
  child(directory: Node, name: string): Node | null
}

export interface FileTree<Node extends TreeNode = TreeNode> extends Lookup<Node> {
  /** Sorted by bytes. */
  names(directory: Node): readonly string[]
  content(file: Node): AsyncIterable<Buffer>
  /** SHA-256 of the content, if it is known without reading it. */
  digest?(file: Node): string
}

export interface Resolved<Node> {
  /** From the root, without links but perhaps the last. */
  readonly parts: readonly string[]
  /** null: there is nothing of that name. */
  readonly node: Node | null
}

export const componentsOf = (path: string): string[] =>
  path.split('/').filter((part) => part !== '' && part !== '.')

/** Follows links on the way, and the last one if asked to. `..` stops at the root. */
export function resolve<Node extends { kind: NodeKind; target: string }>(
  tree: Lookup<Node>,
  path: string,
  { follow }: { readonly follow: boolean },
): Resolved<Node> {
  const left = componentsOf(path).reverse()
  const way: { name: string; node: Node | null }[] = []
  const here = () => (way.length === 0 ? tree.root : way.at(-1)!.node)
  let links = 0
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name === '..') {
      way.pop()
      continue
    }
    const directory = here()
    const node = directory === null ? null : tree.child(directory, name)
    if (node?.kind !== 'symlink' || (left.length === 0 && !follow)) {
      way.push({ name, node })
      continue
    }
    if (++links > linksMax)
      throw invalid('too_many_links', `${shown(path)}: too many levels of symbolic links`)
    if (node.target.startsWith('/')) way.length = 0
    left.push(...componentsOf(node.target).reverse())
  }
  return { parts: way.map((step) => step.name), node: here() }
}

/** Names of bytes as people read them. */
export const shown = (name: string): string => Buffer.from(name, 'latin1').toString()
export const bytesOf = (text: string): string => Buffer.from(text).toString('latin1')

const noXattrs: ReadonlyMap<string, Buffer> = new Map()

export const plainDirectory = {
  kind: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: 0,
  size: 0,
  target: '',
  device: { major: 0, minor: 0 },
  xattrs: noXattrs,
} as const

/** The files of `FROM scratch`. */
export const emptyTree: FileTree = {
  root: { ...plainDirectory, inode: 0 },
  child: () => null,
  names: () => [],
  async *content() {},
}

interface Known {
  readonly kind: NodeKind
  readonly target: string
  readonly below: TreeNode | null
  readonly children: Map<string, Known>
}

/** What will be there when entries have been put over a tree: enough to look paths up in. */
export class Overlay implements Lookup<Known> {
  readonly #below: Lookup
  readonly root: Known

  constructor(below: Lookup) {
    this.#below = below
    this.root = known(below.root)
  }

  child(directory: Known, name: string): Known | null {
    const own = directory.children.get(name)
    if (own) return own
    const below = directory.below ? this.#below.child(directory.below, name) : null
    if (!below) return null
    const found = known(below)
    directory.children.set(name, found)
    return found
  }

  /** Its parents are there. A directory over a directory is merged, all else replaces. */
  put(parts: readonly string[], { kind, target }: { kind: NodeKind; target: string }): void {
    let directory = this.root
    for (const part of parts.slice(0, -1)) {
      const next = this.child(directory, part)
      if (next?.kind !== 'directory') return
      directory = next
    }
    const name = parts.at(-1)
    if (name === undefined) return
    const before = this.child(directory, name)
    if (before?.kind === 'directory' && kind === 'directory') return
    directory.children.set(name, { kind, target, below: null, children: new Map() })
  }
}

const known = (node: TreeNode): Known => ({
  kind: node.kind,
  target: node.target,
  below: node,
  children: new Map(),
})
