/** One of the two daemons: asked over its socket, with the fixtures that most cases are about. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { until } from '../../src/lib/deadline.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { minuteMs } from '../../src/lib/units.ts'
import { type Case, isCompared, type Step } from './case.ts'

export interface Answer {
  /** 0: the connection was closed instead. */
  readonly status: number
  readonly type: string
  readonly text: string
}

/** Both speak it: it is Debian's dockerd's newest. */
const version = '/v1.41'
/** Long enough for the first start on a busy host, which waits for a template; what takes longer never comes. */
const answerDeadlineMs = minuteMs

export class Peer {
  readonly #socket: string
  readonly #kept = new Map<string, string>()

  constructor(socket: string) {
    this.#socket = socket
  }

  /** What became of each step that is compared. Containers it made are removed. */
  async run({ steps, title }: Case, own: string): Promise<Answer[]> {
    const kept = new Map([...this.#kept, ['it', own]])
    const made: string[] = []
    const answers: Answer[] = []
    try {
      for (const step of steps) {
        const answer = await this.#step(step, kept)
        const id = answer.status < 300 ? keptOf(step, answer) : undefined
        if (id !== undefined && step.request.startsWith('POST /containers/create')) made.push(id)
        if (id !== undefined && step.keep) kept.set(step.keep, id)
        if (step.setUp && (answer.status < 200 || answer.status > 399)) {
          throw new Error(`${title}: ${step.request}: ${answer.status} ${answer.text}`)
        }
        if (isCompared(step)) answers.push(answer)
      }
    } finally {
      for (const id of made) await this.ask({ request: `DELETE /containers/${id}?force=1&v=1` })
    }
    return answers
  }

  /** Runs steps whose results every case may use. */
  async prepare(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      const answer = await this.#step(step, this.#kept)
      if (answer.status > 399) throw new Error(`${step.request}: ${answer.status} ${answer.text}`)
      const id = keptOf(step, answer)
      if (step.keep && id !== undefined) this.#kept.set(step.keep, id)
    }
  }

  async #step(step: Step, kept: ReadonlyMap<string, string>): Promise<Answer> {
    const filled = fill(step, kept)
    if (!step.until) return this.ask(filled)
    const { until: wanted } = step
    return until(
      `${filled.request} to be as wanted`,
      async () => {
        const answer = await this.ask(filled)
        if (wanted(jsonOf(answer) ?? answer.text)) return answer
        throw new Error(answer.text.slice(0, 500))
      },
      { deadlineMs: minuteMs, everyMs: 50 },
    )
  }

  ask({ request, body, headers = {}, firstBytes }: Step & { body?: unknown }): Promise<Answer> {
    const [method = '', target = ''] = request.split(' ')
    const raw = typeof body === 'string' || Buffer.isBuffer(body)
    const content = body === undefined ? undefined : raw ? body : JSON.stringify(body)
    const given = {
      ...(content === undefined ? {} : { 'Content-Length': Buffer.byteLength(content) }),
      ...(content === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    }
    const sent = httpRequest({
      socketPath: this.#socket,
      method,
      path: target.startsWith('=') ? target.slice(1) : `${version}${target}`,
      agent: false,
      headers: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')),
      signal: AbortSignal.timeout(answerDeadlineMs),
    })
    return new Promise((resolve, reject) => {
      sent.once('error', (error) => {
        if (hasCode(error, 'ECONNRESET')) resolve({ status: 0, type: '', text: '' })
        else reject(new Error(`${request}: ${error.message}`, { cause: error }))
      })
      sent.once('response', (response) => collect(response, firstBytes).then(resolve, reject))
      sent.once('upgrade', (response, socket) => {
        socket.destroy()
        resolve({ status: response.statusCode!, type: response.headers['content-type'] ?? '', text: '' })
      })
      sent.end(content)
    })
  }
}

async function collect(response: IncomingMessage, firstBytes = Number.POSITIVE_INFINITY): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    chunks.push(chunk as Buffer)
    bytes += (chunk as Buffer).length
    if (bytes >= firstBytes) break
  }
  response.destroy()
  return {
    status: response.statusCode!,
    type: response.headers['content-type'] ?? '',
    text: Buffer.concat(chunks).toString('latin1'),
  }
}

function fill(step: Step, kept: ReadonlyMap<string, string>): Step {
  const inText = (text: string) => text.replace(/\{(\w+)\}/g, (whole, name) => kept.get(name) ?? whole)
  const { body } = step
  const filled =
    body === undefined || Buffer.isBuffer(body)
      ? body
      : typeof body === 'string'
        ? inText(body)
        : JSON.parse(inText(JSON.stringify(body)))
  return { ...step, request: inText(step.request), ...(filled === undefined ? {} : { body: filled }) }
}

/** undefined when it is none; of a stream of JSON the first line. */
export function jsonOf({ text, type }: Answer): unknown {
  if (!type.startsWith('application/json')) return undefined
  for (const candidate of [text, text.split('\n')[0]!]) {
    try {
      return JSON.parse(candidate)
    } catch {
      // Perhaps it has several lines.
    }
  }
  return undefined
}

function keptOf({ from }: Step, answer: Answer): string | undefined {
  const json = jsonOf(answer) as { Id?: unknown } | null | undefined
  if (from) return from(json)
  return typeof json?.Id === 'string' ? json.Id : undefined
}
