/** A registry that says what a test wants it to say. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'

export interface FakeContent {
  /** For every tag and digest. */
  readonly manifest: string
  readonly type: string
  readonly blobs: Readonly<Record<string, Buffer>>
  readonly beforeBlob?: (digest: string) => Promise<void>
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** Answers `127.0.0.1:PORT`. */
export async function serve(t: TestContext, handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

export function fakeRegistry(t: TestContext, content: FakeContent): Promise<string> {
  return serve(t, async (request, response) => {
    const url = request.url!
    if (url === '/v2/') response.end('{}')
    else if (url.includes('/manifests/'))
      response.setHeader('content-type', content.type).end(content.manifest)
    else {
      const digest = url.split('/').at(-1)!
      await content.beforeBlob?.(digest)
      const blob = content.blobs[digest]
      if (blob) response.end(blob)
      else
        response
          .writeHead(404)
          .end(JSON.stringify({ errors: [{ code: 'BLOB_UNKNOWN', message: 'blob unknown to registry' }] }))
    }
  })
}
