/**
 * Puts one blob into a repository.
 *
 *     HEAD ──200──> there already
 *      └─404─> POST ?mount=&from= ──201──> mounted
 *                └─202, Location─> PATCH (the bytes) ──202, Location──> PUT ?digest= ──201──> there
 */
import { kindOf } from '../../lib/errors.ts'
import type { RegistryClient } from './client.ts'
import { readFailure } from './failure.ts'
import { withRetries } from './retry.ts'
import { type Answer, discard } from './transport.ts'

export interface Upload {
  readonly digest: string
  readonly bytes: number
  /** Called again for each attempt. */
  read(): AsyncIterable<Buffer>
  /** Repositories of the same registry that have the blob. */
  readonly mountFrom: readonly string[]
}

export interface UploadOptions {
  readonly retryMs: number
  readonly signal: AbortSignal
  readonly onProgress: (bytes: number) => void
}

export type Uploaded = { how: 'uploaded' } | { how: 'there' } | { how: 'mounted'; from: string }

export async function upload(
  client: RegistryClient,
  blob: Upload,
  options: UploadOptions,
): Promise<Uploaded> {
  return withRetries(() => uploadOnce(client, blob, options), {
    ...options,
    isTransient: (error) => kindOf(error) === 'unavailable',
  })
}

async function uploadOnce(client: RegistryClient, blob: Upload, options: UploadOptions): Promise<Uploaded> {
  const { signal } = options
  const head = await client.request(client.repositoryUrl(`blobs/${blob.digest}`), { method: 'HEAD', signal })
  await discard(head)
  if (head.status === 200) return { how: 'there' }

  const from = blob.mountFrom[0]
  const start = client.repositoryUrl('blobs/uploads/')
  if (from !== undefined)
    start.search = `?mount=${encodeURIComponent(blob.digest)}&from=${encodeURIComponent(from)}`
  const started = await client.request(start, { method: 'POST', headers: { 'content-length': '0' }, signal })
  if (started.status === 201 && from !== undefined) {
    await discard(started)
    return { how: 'mounted', from }
  }
  const place = await location(client, started, 202)
  const sent = await client.request(place, {
    method: 'PATCH',
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.bytes) },
    body: counted(blob.read(), options.onProgress),
    signal,
  })
  const end = await location(client, sent, 202)
  // By hand: what is in the query already is the registry's, and may not survive being parsed.
  end.search += `${end.search === '' ? '?' : '&'}digest=${encodeURIComponent(blob.digest)}`
  const done = await client.request(end, { method: 'PUT', headers: { 'content-length': '0' }, signal })
  if (done.status !== 201 && done.status !== 204) throw await readFailure(done)
  await discard(done)
  return { how: 'uploaded' }
}

async function location(client: RegistryClient, answer: Answer, status: number): Promise<URL> {
  if (answer.status !== status) throw await readFailure(answer)
  await discard(answer)
  return client.locationOf(answer)
}

async function* counted(
  source: AsyncIterable<Buffer>,
  onProgress: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of source) {
    yield chunk
    bytes += chunk.length
    onProgress(bytes)
  }
}
