/**
 * Fetches one blob into a new blob of the store, going on where a dropped connection left it.
 *
 *     GET (Range: bytes=N-) ──206 from N──> append ──all there──> done
 *          │                ──200───────> begin anew
 *          └── dropped, silent, 5xx ──> wait, and again; five times in a row without a byte is the end
 */
import { invalid, kindOf, unavailable } from '../../lib/errors.ts'
import { secondMs } from '../../lib/units.ts'
import type { NewBlob } from '../content-store.ts'
import type { RegistryClient } from './client.ts'
import { readFailure } from './failure.ts'
import { attemptsMax, pause } from './retry.ts'
import { type Answer, discard, explain } from './transport.ts'

/** A server that drops us after each byte would keep us for ever. */
const resumesMax = 50
const pauseMsMax = 10 * secondMs

export interface DownloadOptions {
  readonly retryMs: number
  readonly signal: AbortSignal
  /** Bytes there so far; less than before when it had to begin anew. */
  readonly onProgress: (bytes: number) => void
}

export async function download(
  client: RegistryClient,
  blob: { readonly digest: string; readonly size: number },
  into: NewBlob,
  options: DownloadOptions,
): Promise<void> {
  let fruitless = 0
  for (let attempt = 0; ; attempt++) {
    const before = into.bytes
    try {
      await fetchRest(client, blob, into, options)
      return
    } catch (error) {
      fruitless = into.bytes > before ? 1 : fruitless + 1
      if (kindOf(error) !== 'unavailable' || fruitless >= attemptsMax || attempt >= resumesMax) throw error
      await pause(Math.min(options.retryMs * 2 ** (fruitless - 1), pauseMsMax), options.signal)
    }
  }
}

async function fetchRest(
  client: RegistryClient,
  blob: { readonly digest: string; readonly size: number },
  into: NewBlob,
  { signal, onProgress }: DownloadOptions,
): Promise<void> {
  if (into.bytes === blob.size && blob.size > 0) return
  const range: Record<string, string> = into.bytes > 0 ? { range: `bytes=${into.bytes}-` } : {}
  const answer = await client.get(`blobs/${blob.digest}`, { headers: range, signal })
  if (!(await fits(answer, into))) {
    await into.reset()
    onProgress(0)
    throw unavailable('registry_range', 'the registry cannot go on where it was interrupted')
  }
  const what = `Get ${JSON.stringify(answer.url.href)}`
  const chunks = (answer.body as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      throw explain(error, what, signal)
    })
    if (next.done) break
    if (into.bytes + next.value.length > blob.size) {
      answer.body.destroy()
      throw invalid(
        'blob_size',
        `the registry gives more than the ${blob.size} bytes that the manifest says ${blob.digest} has`,
      )
    }
    await into.append(next.value)
    onProgress(into.bytes)
  }
  if (into.bytes < blob.size)
    throw unavailable('registry_dropped', `${what}: unexpected EOF after ${into.bytes} of ${blob.size} bytes`)
}

/** Whether the answer goes on where we are; a whole one does when we are made to begin anew. */
async function fits(answer: Answer, into: NewBlob): Promise<boolean> {
  if (answer.status === 206) {
    const start = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1]
    if (start !== undefined && Number(start) === into.bytes) return true
    await discard(answer)
    return false
  }
  if (answer.status === 200) {
    if (into.bytes > 0) await into.reset()
    return true
  }
  if (answer.status === 416) {
    await discard(answer)
    return false
  }
  throw await readFailure(answer)
}
