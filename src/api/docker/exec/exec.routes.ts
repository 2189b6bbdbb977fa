/** Further processes in a running container. */
import type { AttachSession, Container } from '../../../engine/model.ts'
import { conflict, invalid, kindOf, messageOf } from '../../../lib/errors.ts'
import type { Exchange } from '../../exchange.ts'
import { noQuery, type Route, route } from '../../route.ts'
import { parseDetachKeys } from '../../streams/detach-keys.ts'
import { carrySession } from '../../streams/session.ts'
import { rawStreamType } from '../../streams/stdcopy.ts'
import { atLeast } from '../../versions.ts'
import { streamType } from '../containers/streams.routes.ts'
import type { Output } from '../output.ts'
import { terminalSizeOf } from '../query.ts'
import { execJson } from './exec.present.ts'
import * as schema from './exec.schema.ts'

export const execRoutes: readonly Route[] = [
  route('POST', '/containers/:id/exec', create, { query: noQuery, body: schema.createBody }),
  route('POST', '/exec/:id/start', start, { query: noQuery, body: schema.startBody, hijacks: true }),
  route('POST', '/exec/:id/resize', resize, { query: schema.resizeQuery }),
  route('GET', '/exec/:id/json', inspect, { query: noQuery }),
]

async function create({
  backends,
  scope,
  params,
  body,
  reply,
}: Exchange<unknown, Output<typeof schema.createBody>>) {
  if (body.Cmd.length === 0) throw invalid('no_command', 'No exec command specified')
  parseDetachKeys(body.DetachKeys)
  const exec = await backends.containers.createExec(scope, params.id!, {
    cmd: body.Cmd,
    env: body.Env,
    user: body.User,
    workingDir: body.WorkingDir,
    tty: body.Tty,
    privileged: body.Privileged,
    attach: { stdin: body.AttachStdin, stdout: body.AttachStdout, stderr: body.AttachStderr },
    detachKeys: body.DetachKeys,
  })
  reply.json(201, { Id: exec.id })
}

type StartExchange = Exchange<unknown, Output<typeof schema.startBody>>

async function start(exchange: StartExchange): Promise<void> {
  const { backends, scope, params, body, reply, version, signal, limits, log } = exchange
  const exec = await backends.containers.getExec(scope, params.id!)
  if (exec.status === 'exited')
    throw conflict('exec_exited', `Error: Exec command ${exec.id} has already run`)
  if (exec.status === 'running')
    throw conflict('exec_running', `Error: Exec command ${exec.id} is already running`)
  if (body.Detach) {
    await backends.containers.startExecDetached(scope, exec.id)
    return reply.empty(200)
  }
  checkCanExec(await backends.containers.get(scope, exec.container))
  // As dockerd, the head leaves before anything is started: clients that read it with a buffer of their own and then take the
  // bare socket (docker-py) lose what comes in the same breath.
  const connection = exchange.hijack({ upgraded: streamType(body.Tty, version), plain: rawStreamType })
  const session = await startAttached(exchange, exec.id)
  await carrySession(session, connection, {
    framed: !body.Tty,
    stdin: exec.request.attach.stdin,
    inputEnd: exec.request.tty ? 'session' : 'input',
    detachKeys: exec.request.tty ? parseDetachKeys(exec.request.detachKeys) : null,
    ...{ signal, limits, log },
  })
}

/** What can be told with a status is told before the connection is taken over. */
function checkCanExec({ id, state: { status } }: Container): void {
  if (status === 'paused') {
    throw conflict('paused', `Container ${id} is paused, unpause the container before exec`)
  }
  if (status === 'restarting') {
    throw conflict('restarting', `Container ${id} is restarting, wait until the container is running`)
  }
  if (status !== 'running' && status !== 'stopping' && status !== 'starting') {
    throw conflict('not_running', `Container ${id} is not running`)
  }
}

/**
 * A program that cannot be started is told on the stream, as dockerd does: clients show it, and then ask for the exit
 * code, which is 126 or 127.
 */
async function startAttached(
  { backends, scope, body, version }: StartExchange,
  id: string,
): Promise<AttachSession> {
  const [rows, columns] = body.ConsoleSize ?? [0, 0]
  const sized = body.Tty && rows > 0 && columns > 0 && atLeast(version, '1.42')
  try {
    return await backends.containers.startExec(scope, id, sized ? { size: { rows, columns } } : {})
  } catch (error) {
    if (kindOf(error) === undefined || kindOf(error) === 'internal') throw error
    return saying(`${messageOf(error)}\r\n`)
  }
}

function saying(text: string): AttachSession {
  return {
    output: (async function* () {
      yield { stream: 'stdout' as const, timeNano: 0n, data: Buffer.from(text) }
    })(),
    async writeStdin() {},
    async endStdin() {},
    close() {},
  }
}

async function resize({
  backends,
  scope,
  params,
  query,
  reply,
}: Exchange<Output<typeof schema.resizeQuery>>) {
  const { rows, columns } = terminalSizeOf(query)
  await backends.containers.resizeExec(scope, params.id!, rows, columns)
  reply.empty(200)
}

async function inspect({ backends, scope, params, reply }: Exchange): Promise<void> {
  reply.json(200, execJson(await backends.containers.getExec(scope, params.id!)))
}
