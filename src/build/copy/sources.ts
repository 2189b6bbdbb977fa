/** What the sources of COPY and ADD are in a tree: paths and patterns made into files and directories. */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { invalid } from '../../lib/errors.ts'
import { hasWildcards, matcher } from '../glob.ts'
import { componentsOf, type FileTree, resolve, shown, type TreeNode } from '../tree.ts'

export interface Source {
  readonly tree: FileTree
  /** No symbolic link, unless it leads to one that leads nowhere. */
  readonly node: TreeNode
  /** What it is called in a directory that it is put into. */
  readonly name: string
}

export interface SourceOptions {
  readonly instruction: 'COPY' | 'ADD'
  /** The tree is the client's context, not an image. */
  readonly isContext: boolean
}

/** Rejects with kind `invalid` in dockerd's words. */
export function selectSources(tree: FileTree, paths: readonly string[], options: SourceOptions): Source[] {
  const sources = paths.flatMap((path) => select(tree, path, options))
  if (sources.length === 0) throw failed(options, 'no source files were specified')
  return sources
}

const failed = ({ instruction }: SourceOptions, why: string) =>
  invalid('copy_failed', `${instruction} failed: ${why}`)

function select(tree: FileTree, path: string, options: SourceOptions): Source[] {
  const clean = posix.normalize(path.replace(/^\/+/, '') || '.')
  if (clean === '..' || clean.startsWith('../')) {
    throw failed(options, `forbidden path outside the build context: ${shown(path)} ()`)
  }
  if (hasWildcards(path)) {
    return expandPattern(tree, clean).map((found) => one(tree, found.join('/'), options))
  }
  return [one(tree, clean, options)]
}

function one(tree: FileTree, path: string, options: SourceOptions): Source {
  const { node } = resolve(tree, path, { follow: true })
  if (node) return { tree, node, name: posix.basename(path) }
  const where = options.isContext ? 'file not found in build context or excluded by .dockerignore: ' : ''
  throw failed(options, `${where}stat ${shown(path)}: file does not exist`)
}

/** Components of every path that matches; as Go's, a pattern leads through directories only. */
function expandPattern(tree: FileTree, pattern: string): string[][] {
  let found: { parts: string[]; node: TreeNode }[] = [{ parts: [], node: tree.root }]
  for (const part of componentsOf(pattern)) {
    const isMatch = matcher(part)
    found = found.flatMap(({ parts, node }) =>
      tree
        .names(node)
        .filter(isMatch)
        .map((name) => ({ parts: [...parts, name], node: tree.child(node, name)! })),
    )
  }
  return found.map(({ parts }) => parts)
}

/** Names what is copied by its content, as the history shows it and the cache finds it: `file:…`, `dir:…`, `multi:…`. */
export async function digestOf(
  sources: readonly Source[],
  options: { withOwners: boolean },
): Promise<string> {
  const digests: string[] = []
  for (const source of sources) digests.push(await digestOne(source, options))
  if (digests.length === 1) return digests[0]!
  return `multi:${createHash('sha256').update(digests.join(',')).digest('hex')}`
}

async function digestOne(source: Source, { withOwners }: { withOwners: boolean }): Promise<string> {
  const hash = createHash('sha256')
  for await (const { path, node } of walk(source)) {
    const { kind, mode, size, target, device, xattrs } = node
    const content = kind === 'file' ? await contentDigest(source.tree, node) : ''
    const owner = withOwners ? [node.uid, node.gid] : []
    const attributes = [...xattrs].map(([name, value]) => [name, value.toString('latin1')])
    hash.update(JSON.stringify([path, kind, mode, size, target, device, content, owner, attributes]))
  }
  return `${source.node.kind === 'directory' ? 'dir' : 'file'}:${hash.digest('hex')}`
}

async function contentDigest(tree: FileTree, file: TreeNode): Promise<string> {
  if (tree.digest) return tree.digest(file)
  const hash = createHash('sha256')
  for await (const chunk of tree.content(file)) hash.update(chunk)
  return hash.digest('hex')
}

/** A file itself, as ''; of a directory all that is in it. Directories come before what is in them. */
export function* walk({ tree, node }: Source): Generator<{ path: string; node: TreeNode }> {
  if (node.kind !== 'directory') {
    yield { path: '', node }
    return
  }
  const stack = [{ path: '', node }]
  for (let directory = stack.pop(); directory; directory = stack.pop()) {
    const below: typeof stack = []
    for (const name of tree.names(directory.node)) {
      const child = tree.child(directory.node, name)!
      const path = directory.path === '' ? name : `${directory.path}/${name}`
      yield { path, node: child }
      if (child.kind === 'directory') below.push({ path, node: child })
    }
    stack.push(...below.reverse())
  }
}
