/** Merges layers in this thread, for tests of what comes out and of what is refused. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { TarReader } from '../../lib/tar/reader.ts'
import { LayerSink } from '../block/layer-sink.ts'
import { LayerTree } from '../block/tree.ts'
import { defaultLimits, type ImageLimits } from '../limits.ts'
import { SquashfsWriter } from '../squashfs/writer.ts'

export interface Merger {
  /** Answers the path of the block image; `chunkBytes`: the tar comes in pieces of that size. */
  merge(layers: readonly Buffer[], options?: { limits?: Partial<ImageLimits>; chunkBytes?: number }): string
  readonly directory: string
}

export function merger(t: TestContext): Merger {
  const directory = mkdtempSync(join(tmpdir(), 'hb-merge-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  let count = 0
  return {
    directory,
    merge(layers, options = {}) {
      const path = join(directory, `${count++}.squashfs`)
      const fd = openSync(path, 'w+')
      try {
        const writer = new SquashfsWriter(fd)
        const tree = new LayerTree()
        const sink = new LayerSink(tree, writer, { ...defaultLimits, ...options.limits })
        for (const layer of layers) {
          sink.beginLayer()
          const reader = new TarReader(sink)
          const step = options.chunkBytes ?? layer.length
          for (let at = 0; at < layer.length; at += step) reader.push(layer.subarray(at, at + step))
          reader.end()
        }
        writer.finish(tree.root)
      } finally {
        closeSync(fd)
      }
      return path
    },
  }
}
