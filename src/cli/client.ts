/** Speaks to the daemon where docker does: $DOCKER_HOST, with TLS as docker's variables say, else the daemon's own socket. */
import { readFileSync } from 'node:fs'
import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { invalid, messageOf, unavailable } from '../lib/errors.ts'

export interface Client {
  /** Answers the JSON; undefined when there is none. Rejects with what the daemon says. */
  ask(method: string, path: string, body?: unknown): Promise<unknown>
}

type Environment = Readonly<Record<string, string | undefined>>

interface Target {
  readonly send: typeof httpRequest
  readonly options: RequestOptions & {
    ca?: Buffer
    cert?: Buffer
    key?: Buffer
    rejectUnauthorized?: boolean
  }
}

/** `host`: as docker's -H. */
export function createClient(host: string | undefined, env: Environment): Client {
  const address =
    host || env.DOCKER_HOST || `unix://${env.HUMMINGBIRD_SOCKET ?? '/run/hummingbird/docker.sock'}`
  const { send, options } = targetOf(address, env)
  return {
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const content = body === undefined ? undefined : JSON.stringify(body)
        const headers =
          content === undefined
            ? {}
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) }
        const sent = send({ ...options, method, path, headers }, (response) => {
          buffer(response).then(
            (bytes) => resolve(answerOf(response.statusCode ?? 0, bytes.toString())),
            reject,
          )
        })
        sent.once('error', (error) =>
          reject(
            unavailable(
              'no_daemon',
              `Cannot connect to the Hummingbird daemon at ${address}: ${error.message}. Is it running?`,
            ),
          ),
        )
        sent.end(content)
      }).then((answer) => {
        if (answer instanceof Error) throw answer
        return answer
      }),
  }
}

function answerOf(status: number, text: string): unknown {
  let json: unknown
  try {
    json = text === '' ? undefined : JSON.parse(text)
  } catch {
    return invalid(
      'no_json',
      `this is no Hummingbird daemon: it answered ${JSON.stringify(text.slice(0, 200))}`,
    )
  }
  if (status >= 200 && status < 300) return json
  const { message } = (json ?? {}) as { message?: unknown }
  return invalid(
    'refused',
    typeof message === 'string' ? message : `the daemon answered with status ${status}`,
  )
}

function targetOf(address: string, env: Environment): Target {
  const unix = /^unix:\/\/(\/.+)$/.exec(address)
  if (unix) return { send: httpRequest, options: { socketPath: unix[1]! } }
  const tcp = /^(?:tcp|https?):\/\/(\[[^\]]+\]|[^:/]+):(\d{1,5})\/?$/.exec(address)
  if (!tcp) {
    throw invalid(
      'bad_host',
      `${address} is no address of a daemon: it must be unix:///path or tcp://host:port`,
    )
  }
  const options = { host: tcp[1]!.replace(/[[\]]/g, ''), port: Number(tcp[2]) }
  if (!env.DOCKER_TLS_VERIFY && !env.DOCKER_TLS && !address.startsWith('https')) {
    return { send: httpRequest, options }
  }
  const directory = env.DOCKER_CERT_PATH || join(homedir(), '.docker')
  const file = (name: string) => {
    const path = join(directory, `${name}.pem`)
    try {
      return readFileSync(path)
    } catch (error) {
      throw invalid(
        'no_certificate',
        `${path}, which TLS needs, cannot be read: ${messageOf(error)}; DOCKER_CERT_PATH says where it is`,
      )
    }
  }
  return { send: httpsRequest, options: { ...options, ca: file('ca'), cert: file('cert'), key: file('key') } }
}
