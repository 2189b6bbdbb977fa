/** Runs the thread that merges layers, with bounds on its memory and its silence. */
import { Worker } from 'node:worker_threads'
import {
  cancelled,
  deadlineExceeded,
  exhausted,
  HummingbirdError,
  hasCode,
  internal,
} from '../../lib/errors.ts'
import { minuteMs } from '../../lib/units.ts'
import type { BuildJob, BuildMessage, LayerFacts } from './job.ts'

/** It tells of every 4 MiB; the longest it is silent is while it writes the tree of a million files. */
const silenceMsMax = 5 * minuteMs

export interface BuildOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((layer: number, bytes: number) => void) | undefined
}

/** Answers the facts of each layer. Rejects with what is wrong with the image (kinds `invalid`, `exhausted`). */
export async function runBuild(job: BuildJob, options: BuildOptions = {}): Promise<LayerFacts[]> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: job.limits.buildHeapMiBMax },
  })
  try {
    return await outcome(worker, job, options)
  } finally {
    await worker.terminate()
  }
}

function outcome(worker: Worker, job: BuildJob, options: BuildOptions): Promise<LayerFacts[]> {
  const { promise, resolve, reject } = Promise.withResolvers<LayerFacts[]>()
  const facts: LayerFacts[] = []
  const late = () =>
    reject(deadlineExceeded('deadline', `merging the image said nothing for ${silenceMsMax} ms`))
  const silence = setTimeout(late, silenceMsMax)
  const onAbort = () =>
    reject(cancelled('cancelled', 'the request was cancelled', { cause: options.signal?.reason }))
  worker.on('message', (message: BuildMessage) => {
    silence.refresh()
    if (message.type === 'progress') options.onProgress?.(message.layer, message.bytes)
    else if (message.type === 'layer') facts[message.layer] = message.facts
    else if (message.type === 'done') resolve(facts)
    else reject(new HummingbirdError(message.kind, message.code, message.message))
  })
  worker.on('error', (error) => reject(explain(error, job)))
  worker.on('exit', (code) =>
    reject(internal('block_image', `the thread that merges layers ended with ${code}`)),
  )
  if (options.signal?.aborted) onAbort()
  else options.signal?.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => {
    clearTimeout(silence)
    options.signal?.removeEventListener('abort', onAbort)
  })
}

function explain(error: unknown, { limits }: BuildJob): Error {
  if (hasCode(error, 'ERR_WORKER_OUT_OF_MEMORY')) {
    return exhausted(
      'image_too_large',
      `the names of the image's files take more than ${limits.buildHeapMiBMax} MiB of memory`,
    )
  }
  return internal('block_image', 'the thread that merges layers failed', { cause: error })
}
