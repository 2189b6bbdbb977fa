/** The plain ways to answer: JSON, text, nothing, or a stream at the client's pace. */
import type { ServerResponse } from 'node:http'
import { Sink } from './streams/sink.ts'

export class Reply {
  readonly #response: ServerResponse
  readonly #signal: AbortSignal

  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response
    this.#signal = signal
  }

  /** A status has left: what fails now can only be told in the stream, or by breaking it off. */
  get started(): boolean {
    return this.#response.headersSent
  }

  json(status: number, value: unknown): void {
    this.#whole(status, 'application/json', `${JSON.stringify(value)}\n`)
  }

  text(status: number, text: string): void {
    this.#whole(status, 'text/plain; charset=utf-8', text)
  }

  /** 204, 304, and the 200 without content that some of Docker's endpoints answer. */
  empty(status: number): void {
    this.#response.writeHead(status, status === 200 || status === 201 ? { 'Content-Length': 0 } : {})
    this.#response.end()
  }

  header(name: string, value: string): void {
    this.#response.setHeader(name, value)
  }

  /** Sends status and headers at once: clients wait for them before they go on. */
  stream(status: number, type: string): Sink {
    this.#response.writeHead(status, { 'Content-Type': type })
    this.#response.flushHeaders()
    return new Sink(this.#response, this.#signal)
  }

  #whole(status: number, type: string, text: string): void {
    this.#response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) })
    this.#response.end(this.#response.req.method === 'HEAD' ? undefined : text)
  }
}
