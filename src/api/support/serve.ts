/** A front door over fakes on a Unix socket of its own, and clients for it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Log } from '../../lib/log.ts'
import type { ApiLimits } from '../limits.ts'
import { createDockerApi } from '../server.ts'
import { type FakeCloud, fakeCloud } from './fake-backends.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: specs look into JSON of every shape
  readonly json: any
}

export class Served implements AsyncDisposable {
  readonly cloud: FakeCloud
  readonly socketPath: string
  readonly faults: object[] = []
  readonly #directory: string
  readonly #close: () => Promise<void>

  constructor(cloud: FakeCloud, directory: string, faults: object[], close: () => Promise<void>) {
    this.cloud = cloud
    this.#directory = directory
    this.socketPath = join(directory, 'docker.sock')
    this.faults = faults
    this.#close = close
  }

  static async start(limits: Partial<ApiLimits> = {}): Promise<Served> {
    const cloud = fakeCloud()
    const directory = mkdtempSync(join(tmpdir(), 'hb-api-'))
    const faults: object[] = []
    const log: Log = { debug() {}, info() {}, warn() {}, error: (fields) => faults.push(fields) }
    const scopeOf = () => ({ project: 'default' })
    const api = createDockerApi({ backends: cloud, scopeOf, log, limits: { closeGraceMs: 200, ...limits } })
    await api.listen({ unix: join(directory, 'docker.sock'), mode: 0o600 })
    return new Served(cloud, directory, faults, () => api.close())
  }

  /** One request; `body` is sent as JSON unless it is text or bytes. */
  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const raw = typeof body === 'string' || Buffer.isBuffer(body)
    const content = body === undefined ? undefined : raw ? body : JSON.stringify(body)
    const options: RequestOptions = {
      socketPath: this.socketPath,
      method,
      path,
      agent: false,
      headers: {
        ...(content === undefined ? {} : { 'Content-Length': Buffer.byteLength(content) }),
        ...(content === undefined || raw ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(signal ? { signal } : {}),
    }
    return await new Promise((resolve, reject) => {
      const sent = request(options, (response) => {
        buffer(response).then(
          (bytes) => resolve(answer(response.statusCode!, response.headers, bytes)),
          reject,
        )
      })
      sent.once('error', reject)
      sent.end(content)
    })
  }

  connect(): Wire {
    return new Wire(connect({ path: this.socketPath, allowHalfOpen: true }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function answer(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const text = body.toString('utf8')
  return {
    status,
    headers,
    text,
    body,
    get json() {
      return JSON.parse(text)
    },
  }
}

/** A bare connection: what is sent is sent byte by byte as the spec says. */
export class Wire {
  readonly socket: Socket
  #received: Buffer = Buffer.alloc(0)
  ended = false
  closed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
    socket.once('end', () => {
      this.ended = true
    })
    socket.once('close', () => {
      this.closed = true
    })
    socket.on('error', () => {})
  }

  get text(): string {
    return this.#received.toString('latin1')
  }

  /** What came after the head of the answer. */
  get body(): Buffer {
    const end = this.#received.indexOf('\r\n\r\n')
    return end < 0 ? Buffer.alloc(0) : this.#received.subarray(end + 4)
  }

  send(...parts: (string | Buffer)[]): void {
    for (const part of parts) this.socket.write(part)
  }
}
