/**
 * Further processes in a running container. Their output goes from the guest to the client and nowhere else: a slow client
 * slows the process, one that has gone slows nothing.
 */
import { conflict, hasCode, messageOf, notFound } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { SerialQueue } from '../lib/queue.ts'
import { type EngineContext, tell } from './context.ts'
import type { ExecRecord } from './execs.ts'
import { execProcessOf } from './guest-spec.ts'
import { denial } from './lifecycle.ts'
import { Pipe } from './logs/pipe.ts'
import type { AttachSession, Exec, ExecRequest } from './model.ts'
import type { ContainerOwner } from './owner.ts'
import type { GuestProcess, ProcessOutput } from './ports/sandbox.ts'
import type { Run } from './run.ts'
import { SIGKILL } from './signals.ts'
import { refusalOf } from './start-failure.ts'

export async function createExec(
  context: EngineContext,
  owner: ContainerOwner,
  request: ExecRequest,
): Promise<Exec> {
  await usable(owner)
  const exec: Exec = {
    id: newId(),
    container: owner.id,
    request,
    status: 'created',
    exitCode: null,
    pid: 0,
  }
  owner.execs.add({ exec, run: null, process: null, pipe: null, ended: Promise.resolve() })
  tell(context, owner.container, `exec_create: ${request.cmd.join(' ')}`, { execID: exec.id })
  return exec
}

/** While an image is made of it, as while it is paused, no process is started in it. */
async function usable(owner: ContainerOwner): Promise<Run> {
  const run = await owner.inUse()
  if (run.standsStill) throw denial('is_paused', owner.container)
  return run
}

export function findExec(
  context: EngineContext,
  project: string,
  id: string,
): { owner: ContainerOwner; record: ExecRecord } {
  for (const owner of context.registry.ofProject(project)) {
    const record = owner.execs.get(id)
    if (record) return { owner, record }
  }
  throw notFound('no_such_exec', `No such exec instance: ${id}`)
}

interface StartOptions {
  readonly size: { rows: number; columns: number } | undefined
  readonly detached: boolean
}

export async function startExec(
  context: EngineContext,
  owner: ContainerOwner,
  record: ExecRecord,
  options: StartOptions,
): Promise<AttachSession> {
  const { exec } = record
  if (exec.status !== 'created') {
    const state = exec.status === 'running' ? 'is already running' : 'has already run'
    throw conflict('exec_started', `Error: Exec command ${exec.id} ${state}`)
  }
  const pipe = new Pipe()
  record.exec = { ...exec, status: 'running' }
  try {
    const run = await usable(owner)
    const { request } = exec
    const output = options.detached ? discarded : pipedOutput(context, pipe, request)
    const spec = execProcessOf(owner.container, run.nextProcessId++, request, options.size)
    const process = await run.sandbox!.startProcess(spec, output)
    Object.assign(record, { run, process, pipe, exec: { ...record.exec, pid: process.pid } })
  } catch (error) {
    pipe.end()
    throw refused(record, owner, error)
  }
  const words = exec.request.cmd.join(' ')
  tell(context, owner.container, `exec_start: ${words}`, { execID: exec.id })
  record.ended = recordEnd(context, owner, record, pipe)
  return session(record.process!, pipe, exec.request)
}

const discarded: ProcessOutput = { write() {} }

function pipedOutput({ clock }: EngineContext, pipe: Pipe, { attach }: ExecRequest): ProcessOutput {
  return {
    write(stream, data) {
      return attach[stream] ? pipe.write({ stream, timeNano: clock.nowNano(), data }) : undefined
    },
  }
}

function refused(record: ExecRecord, owner: ContainerOwner, error: unknown): unknown {
  const { request } = record.exec
  const cwd = request.workingDir || owner.container.spec.workingDir
  const user = request.user || owner.container.spec.user
  const refusal = refusalOf(error, 'exec', { program: request.cmd[0] ?? '', cwd, user })
  const exitCode = refusal?.exitCode ?? 128
  record.exec = { ...record.exec, status: 'exited', exitCode }
  return refusal?.error ?? error
}

async function recordEnd(
  context: EngineContext,
  owner: ContainerOwner,
  record: ExecRecord,
  pipe: Pipe,
): Promise<void> {
  const process = record.process!
  let exitCode = 128 + SIGKILL
  try {
    exitCode = (await process.exited).code
  } catch (error) {
    // With its container: the sandbox was killed under both.
    if (!hasCode(error, 'sandbox_gone')) {
      context.log.warn({ container: owner.id, error: messageOf(error) }, 'the exit of an exec is not known')
    }
  }
  record.exec = { ...record.exec, status: 'exited', exitCode, pid: 0 }
  record.process = null
  tell(context, owner.container, 'exec_die', { execID: record.exec.id, exitCode: String(exitCode) })
  pipe.end()
  await process.forget().catch((error) => {
    context.log.debug({ container: owner.id, error: messageOf(error) }, 'an exec could not be forgotten')
  })
}

function session(process: GuestProcess, pipe: Pipe, request: ExecRequest): AttachSession {
  const input = new SerialQueue()
  let inputEnded = !request.attach.stdin
  const send = (act: () => Promise<void>) =>
    input.run(async () => {
      try {
        await act()
      } catch (error) {
        if (!hasCode(error, 'process_exited') && !hasCode(error, 'sandbox_gone')) throw error
      }
    })
  const endStdin = async () => {
    if (inputEnded) return
    inputEnded = true
    await send(() => process.endStdin())
  }
  return {
    output: pipe,
    async writeStdin(chunk) {
      if (!inputEnded) await send(() => process.writeStdin(chunk))
    },
    endStdin,
    close() {
      // Nobody is left to hear of a failure, and the process runs on as Docker's does.
      endStdin().catch(() => {})
      pipe.close()
    },
  }
}

export async function resizeExec(record: ExecRecord, rows: number, columns: number): Promise<void> {
  if (record.exec.status === 'exited') throw notFound('no_such_exec', 'no such exec')
  if (!record.process) throw conflict('exec_not_running', `exec command ${record.exec.id} is not running`)
  await record.process.resize(rows, columns)
}
