/** JSON bodies: bounded in bytes, depth and time, and refused in dockerd's words. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { invalid, messageOf } from '../lib/errors.ts'
import type { ApiLimits } from './limits.ts'

export function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

export function checkContentType(header: string | undefined): void {
  const mime = (header ?? '').split(';')[0]!.trim().toLowerCase()
  if (mime === 'application/json') return
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(mime)) {
    throw invalid('bad_content_type', `malformed Content-Type header (${header ?? ''}): mime: no media type`)
  }
  throw invalid('bad_content_type', `unsupported Content-Type header (${header}): must be 'application/json'`)
}

/** Reads a body to its end; the stream stays open when it is refused, so that the refusal can be answered. */
export async function collectBody(stream: Readable, limits: ApiLimits): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length
    if (bytes > limits.jsonBodyBytesMax) throw tooLarge(limits)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

export const tooLarge = (limits: ApiLimits) =>
  invalid('body_too_large', `the request body is larger than ${limits.jsonBodyBytesMax} bytes`)

export function parseJson(body: Buffer, limits: ApiLimits): unknown {
  const text = body.toString('utf8')
  if (text.trim() === '') throw noContent()
  if (deeperThan(text, limits.jsonDepthMax)) {
    throw invalid('bad_json', `invalid JSON: nested more than ${limits.jsonDepthMax} levels deep`)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid('bad_json', `invalid JSON: ${messageOf(error)}`)
  }
}

const noContent = () => invalid('bad_json', 'invalid JSON: got EOF while reading request body')

/** What a schema makes of a value; a refusal names the field. */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: string,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  if (value === undefined) throw noContent()
  const field = issue?.path.map(String).join('.') ?? ''
  const said = issue?.message ?? z.prettifyError(result.error)
  throw invalid('bad_request', `${where}: ${field ? `${field}: ` : ''}${said}`)
}

function deeperThan(text: string, levelsMax: number): boolean {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (quoted) {
      if (character === '\\') i++
      else if (character === '"') quoted = false
    } else if (character === '"') quoted = true
    else if (character === '{' || character === '[') {
      if (++depth > levelsMax) return true
    } else if (character === '}' || character === ']') depth--
  }
  return false
}
