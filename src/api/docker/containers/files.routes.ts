/** The files of a container: copied out and in, listed when they were changed, exported, and made an image of. */
import { z } from 'zod'
import type { FileChange } from '../../../engine/ports/files.ts'
import type { ImageConfig } from '../../../engine/ports/images.ts'
import { invalid } from '../../../lib/errors.ts'
import { KiB } from '../../../lib/units.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { joinReference } from '../images/references.ts'
import type { Output } from '../output.ts'
import * as q from '../query.ts'
import { commitBody, imageConfigOf } from './commit.schema.ts'
import { encodedPathStat, pathStatHeader } from './path-stat.present.ts'

const pathQuery = z.looseObject({ path: q.text })
const extractQuery = z.looseObject({ path: q.text, noOverwriteDirNonDir: q.flag, copyUIDGID: q.flag })
const commitQuery = z.looseObject({
  container: q.text,
  repo: q.text,
  tag: q.text,
  comment: q.text,
  author: q.text,
  pause: q.flagOn,
  changes: q.list,
})

export const fileRoutes: readonly Route[] = [
  route('HEAD', '/containers/:id/archive', stat, { query: pathQuery }),
  route('GET', '/containers/:id/archive', read, { query: pathQuery }),
  route('PUT', '/containers/:id/archive', extract, { query: extractQuery }),
  route('GET', '/containers/:id/changes', changes, { query: noQuery }),
  route('GET', '/containers/:id/export', export_, { query: noQuery }),
  route('POST', '/commit', commit, { query: commitQuery, body: commitBody }),
]

function wantPath(path: string): string {
  if (path === '') throw invalid('no_path', 'bad parameter: path cannot be empty')
  return path
}

async function stat(exchange: Exchange<Output<typeof pathQuery>>): Promise<void> {
  const { backends, scope, params, query, reply } = exchange
  const found = await backends.containers.statPath(scope, params.id!, wantPath(query.path))
  reply.header(pathStatHeader, encodedPathStat(found))
  reply.empty(200)
}

async function read(exchange: Exchange<Output<typeof pathQuery>>): Promise<void> {
  const { backends, scope, params, query, reply } = exchange
  await using archive = await backends.containers.readArchive(scope, params.id!, wantPath(query.path))
  reply.header(pathStatHeader, encodedPathStat(archive.stat))
  await send(exchange, 'application/x-tar', archive.content)
}

async function extract(exchange: Exchange<Output<typeof extractQuery>>): Promise<void> {
  const { backends, scope, params, query, upload, signal, reply } = exchange
  await backends.containers.extractArchive(scope, params.id!, upload as AsyncIterable<Buffer>, {
    path: wantPath(query.path),
    noOverwrite: query.noOverwriteDirNonDir,
    toUser: query.copyUIDGID,
    signal,
  })
  reply.empty(200)
}

/** There may be any number of them: they go out as they come. */
async function changes(exchange: Exchange): Promise<void> {
  const { backends, scope, params } = exchange
  await send(exchange, 'application/json', changesJson(backends.containers.changes(scope, params.id!)))
}

const kinds = { modified: 0, added: 1, deleted: 2 } as const
const pieceChars = 16 * KiB

/** As dockerd: `null` when there are none. */
async function* changesJson(all: AsyncIterable<FileChange>): AsyncGenerator<Buffer> {
  let text = ''
  let any = false
  for await (const { path, kind } of all) {
    text += `${any ? ',' : '['}${JSON.stringify({ Path: path.toWellFormed(), Kind: kinds[kind] })}`
    any = true
    if (text.length < pieceChars) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(any ? `${text}]\n` : 'null\n')
}

async function export_(exchange: Exchange): Promise<void> {
  const { backends, scope, params } = exchange
  await using archive = await backends.containers.export(scope, params.id!)
  await send(exchange, 'application/octet-stream', archive.content)
}

async function commit(
  exchange: Exchange<Output<typeof commitQuery>, Output<typeof commitBody>>,
): Promise<void> {
  const { backends, scope, query, body, signal, reply } = exchange
  const { container, repo, tag, comment, author, pause } = query
  const config: Partial<ImageConfig> = body === null ? {} : imageConfigOf(body)
  const id = await backends.containers.commit(scope, container, {
    ...(repo === '' ? {} : { reference: joinReference(repo, tag) }),
    comment,
    author,
    pause,
    changes: query.changes,
    config,
    signal,
  })
  reply.json(201, { Id: id })
}

/** The status goes out with the first bytes: what fails before is told with a status of its own. */
async function send(
  { reply }: Pick<Exchange<unknown>, 'reply'>,
  type: string,
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const chunks = content[Symbol.asyncIterator]()
  try {
    let next = await chunks.next()
    const sink = reply.stream(200, type)
    for (; !next.done; next = await chunks.next()) await sink.write(next.value)
    sink.end()
  } finally {
    await chunks.return?.()
  }
}
