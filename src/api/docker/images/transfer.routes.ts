/** How images come and go: pull, push, import, load, save. */
import { invalid, notImplemented } from '../../../lib/errors.ts'
import { failureOf } from '../../errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { Progress } from '../../streams/progress.ts'
import type { ProgressLine } from '../backends.ts'
import type { Output } from '../output.ts'
import * as schema from './images.schema.ts'
import { joinReference, namesAllTags } from './references.ts'
import { readRegistryAuth } from './registry-auth.ts'

export const imageTransferRoutes: readonly Route[] = [
  route('POST', '/images/create', create, { query: schema.createQuery }),
  route('POST', '/images/load', load, { query: schema.loadQuery }),
  route('GET', '/images/get', save, { query: schema.saveQuery }),
  route('GET', '/images/search', search, { query: noQuery, served: false }),
  route('GET', '/images/*name/get', save, { query: schema.saveQuery }),
  route('POST', '/images/*name/push', push, { query: schema.pushQuery }),
]

type CreateExchange = Exchange<Output<typeof schema.createQuery>>

async function create(exchange: CreateExchange): Promise<void> {
  const { fromImage, fromSrc } = exchange.query
  if (fromImage !== '') return pull(exchange)
  if (fromSrc === '-') return import_(exchange)
  if (fromSrc !== '') {
    throw notImplemented(
      'no_import_by_url',
      'importing from a URL is not supported: download it and import the file',
    )
  }
  throw invalid('no_source', 'either fromImage or fromSrc must be given')
}

/** Tells of a job line by line; a failure after the first line becomes the last one. */
function progressOf(
  { reply, limits, log }: Exchange<unknown>,
  job: (tell: (line: ProgressLine) => void) => Promise<void>,
): Promise<void> {
  return new Progress(reply, limits).of(job, (error) => failureOf(error, log).message)
}

function pull(exchange: CreateExchange): Promise<void> {
  const { backends, scope, query, headers, signal } = exchange
  const reference = joinReference(query.fromImage, query.tag)
  const credentials = readRegistryAuth(headers)
  return progressOf(exchange, (progress) =>
    backends.images.pull(scope, reference, {
      ...(credentials ? { credentials } : {}),
      ...(query.platform ? { platform: query.platform } : {}),
      allTags: namesAllTags(query.fromImage, query.tag),
      progress,
      signal,
    }),
  )
}

function import_(exchange: CreateExchange): Promise<void> {
  const { backends, scope, query, upload, signal } = exchange
  const reference = query.repo === '' ? {} : { reference: joinReference(query.repo, query.tag) }
  const { message, changes } = query
  return progressOf(exchange, async (tell) => {
    const id = await backends.images.import(scope, upload, { ...reference, message, changes, signal })
    tell({ status: id })
  })
}

function load(exchange: Exchange<Output<typeof schema.loadQuery>>): Promise<void> {
  const { backends, scope, query, upload, signal } = exchange
  return progressOf(exchange, (tell) =>
    backends.images.load(scope, upload, {
      progress: (line) => (query.quiet && line.stream === undefined ? undefined : tell(line)),
      signal,
    }),
  )
}

async function save({ backends, scope, params, query, reply }: Exchange<Output<typeof schema.saveQuery>>) {
  const names = params.name === undefined ? query.names : [params.name]
  if (names.length === 0) throw invalid('no_names', 'no images to save: names must name at least one')
  const archive = await backends.images.save(scope, names)
  try {
    const sink = reply.stream(200, 'application/x-tar')
    for await (const chunk of archive) await sink.write(chunk as Buffer)
    sink.end()
  } finally {
    archive.destroy()
  }
}

function push(exchange: Exchange<Output<typeof schema.pushQuery>>): Promise<void> {
  const { backends, scope, params, query, headers, signal } = exchange
  const credentials = readRegistryAuth(headers)
  const reference = joinReference(params.name!, query.tag)
  return progressOf(exchange, (progress) =>
    backends.images.push(scope, reference, { ...(credentials ? { credentials } : {}), progress, signal }),
  )
}

function search(): void {
  throw notImplemented('no_search', 'searching a registry is not supported: name the image to pull')
}
