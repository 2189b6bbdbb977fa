/**
 * A thread that reads the layers of one image, verifies them and writes its block image. A thread of its own: merging a
 * large image must not stall the daemon, and a hostile one can at most exhaust this heap.
 */
import { createHash } from 'node:crypto'
import { chmodSync, closeSync, createReadStream, fsyncSync, ftruncateSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { asCompressionError, checkRatio, decompressor } from '../../lib/compression.ts'
import { exhausted, HummingbirdError, hasCode, internal, invalid, messageOf } from '../../lib/errors.ts'
import { blockBytes } from '../../lib/tar/header.ts'
import { TarReader, type TarSink } from '../../lib/tar/reader.ts'
import { MiB } from '../../lib/units.ts'
import { SquashfsWriter } from '../squashfs/writer.ts'
import type { BuildJob, BuildLayer, BuildMessage, LayerFacts } from './job.ts'
import { LayerSink } from './layer-sink.ts'
import { LayerTree } from './tree.ts'

type MeasuringSink = TarSink & { beginLayer(): void; contentBytes: number }

const job = workerData as BuildJob
const tell = (message: BuildMessage) => parentPort!.postMessage(message)
/** Headers come on top of the files' bytes. */
const tarBytesMax = job.limits.imageBytesMax + job.limits.imageEntriesMax * 2 * blockBytes
let tarBytesTotal = 0

async function build(): Promise<void> {
  if (job.output === null) return readLayers(measuringSink())
  const fd = openSync(job.output, 'r+')
  try {
    const writer = new SquashfsWriter(fd)
    const tree = new LayerTree()
    await readLayers(new LayerSink(tree, writer, job.limits))
    const bytes = writer.finish(tree.root)
    if (bytes > job.diskBytes) throw exhausted('image_too_large', 'the image is larger than an image disk')
    ftruncateSync(fd, job.diskBytes)
    fsyncSync(fd)
    chmodSync(job.output, 0o444)
  } finally {
    closeSync(fd)
  }
}

async function readLayers(sink: MeasuringSink): Promise<void> {
  for (const [index, layer] of job.layers.entries()) {
    tell({ type: 'layer', layer: index, facts: await readLayer(index, layer, sink) })
  }
}

async function readLayer(index: number, layer: BuildLayer, sink: MeasuringSink): Promise<LayerFacts> {
  sink.beginLayer()
  const reader = new TarReader(sink)
  const hash = layer.hash ? createHash('sha256') : null
  const file = createReadStream(layer.path, { highWaterMark: 1 * MiB })
  const stream = layer.compression === 'none' ? file : file.pipe(decompressor(layer.compression))
  // `pipe` does not hand errors on.
  file.on('error', (error) => stream.destroy(error))
  let tarBytes = 0
  let told = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    tarBytes += chunk.length
    tarBytesTotal += chunk.length
    if (tarBytesTotal > tarBytesMax) {
      throw exhausted('image_too_large', `the image has more than ${job.limits.imageBytesMax} bytes`)
    }
    if (layer.compression !== 'none') checkRatio(file.bytesRead, tarBytes)
    hash?.update(chunk)
    reader.push(chunk)
    if (file.bytesRead - told > 4 * MiB) {
      told = file.bytesRead
      tell({ type: 'progress', layer: index, bytes: told })
    }
  }
  reader.end()
  const found = hash === null ? layer.diffId : `sha256:${hash.digest('hex')}`
  if (found !== layer.diffId) {
    throw invalid(
      'wrong_diff_id',
      `layers from manifest don't match image configuration: a layer is ${found}, not ${layer.diffId}`,
    )
  }
  return { tarBytes, contentBytes: sink.contentBytes }
}

function measuringSink(): MeasuringSink {
  return {
    contentBytes: 0,
    beginLayer() {
      this.contentBytes = 0
    },
    entry({ size }) {
      this.contentBytes += size
    },
    data() {},
    hole() {},
    endEntry() {},
  }
}

function explain(error: unknown): HummingbirdError {
  if (error instanceof HummingbirdError) return error
  const known = asCompressionError(error)
  if (known instanceof HummingbirdError) return known
  if (hasCode(error, 'ENOSPC')) return exhausted('disk_full', 'no space left on device for the block image')
  return internal('block_image', `the block image cannot be made: ${messageOf(error)}`)
}

try {
  await build()
  tell({ type: 'done' })
} catch (error) {
  const { kind, code, message } = explain(error)
  tell({ type: 'failed', kind, code, message })
}
