/**
 * The merged view of layers, lowest first: what a file system of all of them stacked would show. Upper entries win; the
 * last of one layer wins; whiteouts reach lower layers only, wherever in their layer they stand.
 *
 *     name in a directory ──> Link (which layer put it there) ──> inode ──> content in the block image
 */

import { badTar } from '../../lib/tar/header.ts'
import { Directory, type Inode, type Link } from '../squashfs/inode.ts'

export interface LayerLink extends Link {
  readonly layer: number
}

export class LayerDirectory extends Directory {
  declare readonly children: Map<string, LayerLink>
  /** The layer that last took away all lower content below: nothing of lower layers is there to look for again. */
  clearedBy = 0
}

export class LayerTree {
  readonly root = new LayerDirectory()
  /** Counted from 1. */
  #layer = 0

  beginLayer(): void {
    this.#layer++
  }

  /** The directory that will hold a name, made (0755 root) if it is missing; what is there and is none gives way. */
  parent(path: readonly string[]): LayerDirectory {
    let directory = this.root
    for (const part of path.slice(0, -1)) {
      const found = directory.children.get(part)?.inode
      if (found instanceof LayerDirectory) directory = found
      else {
        const made = new LayerDirectory()
        made.clearedBy = this.#layer
        directory.children.set(part, { inode: made, layer: this.#layer })
        directory = made
      }
    }
    return directory
  }

  /** A directory that is there keeps what is in it, and is of this layer from now on. */
  directory(path: readonly string[]): LayerDirectory {
    if (path.length === 0) return this.root
    const parent = this.parent(path)
    const name = path.at(-1)!
    const found = parent.children.get(name)?.inode
    const directory = found instanceof LayerDirectory ? found : new LayerDirectory()
    if (directory !== found) directory.clearedBy = this.#layer
    parent.children.set(name, { inode: directory, layer: this.#layer })
    return directory
  }

  put(path: readonly string[], inode: Inode): void {
    if (path.length === 0) throw badTar('the root of an image must be a directory')
    this.parent(path).children.set(path.at(-1)!, { inode, layer: this.#layer })
  }

  /** The inode a hard link goes to: of this layer or of a lower one. */
  find(path: readonly string[]): Inode | undefined {
    let inode: Inode | undefined = this.root
    for (const part of path) {
      if (!(inode instanceof LayerDirectory)) return undefined
      inode = inode.children.get(part)?.inode
    }
    return inode
  }

  /** `.wh.name` */
  remove(path: readonly string[], name: string): void {
    const directory = this.find(path)
    if (!(directory instanceof LayerDirectory)) return
    const link = directory.children.get(name)
    if (link && !this.#keepsAfterClearing(link)) directory.children.delete(name)
  }

  /** `.wh..wh..opq` */
  clear(path: readonly string[]): void {
    const directory = this.find(path)
    if (directory instanceof LayerDirectory) this.#clear(directory)
  }

  /** Deep trees are walked by an own stack; each directory once a layer, so that repeating an opaque whiteout costs nothing. */
  #clear(top: LayerDirectory): void {
    const order: LayerDirectory[] = []
    const stack = [top]
    for (let directory = stack.pop(); directory; directory = stack.pop()) {
      if (directory.clearedBy === this.#layer) continue
      directory.clearedBy = this.#layer
      order.push(directory)
      for (const { inode } of directory.children.values()) {
        if (inode instanceof LayerDirectory) stack.push(inode)
      }
    }
    for (const directory of order.reverse()) {
      for (const [name, { inode, layer }] of directory.children) {
        const holdsNewer = inode instanceof LayerDirectory && inode.children.size > 0
        if (layer < this.#layer && !holdsNewer) directory.children.delete(name)
      }
    }
  }

  #keepsAfterClearing({ inode, layer }: LayerLink): boolean {
    if (!(inode instanceof LayerDirectory)) return layer === this.#layer
    this.#clear(inode)
    return layer === this.#layer || inode.children.size > 0
  }
}
