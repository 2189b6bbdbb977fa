/**
 * Carries an attached process over a hijacked connection.
 *
 *     client ── bytes ──────────────▶ scanner of detach keys ──▶ session.writeStdin   at the process's pace
 *     client ── end of its side ────▶ session.endStdin        (output goes on; or see `inputEnd`)
 *     client ◀─ raw or framed bytes ─ session.output                                  at the client's pace
 *     client ◀─ end of our side ───── output ended, or keys seen
 *     client gone ──────────────────▶ session.close
 */
import type { Readable } from 'node:stream'
import type { AttachSession } from '../../engine/model.ts'
import { unlessAborted } from '../../lib/deadline.ts'
import { kindOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { ApiLimits } from '../limits.ts'
import { DetachScanner } from './detach-keys.ts'
import type { HijackedConnection } from './hijack.ts'
import { Sink } from './sink.ts'
import { frame } from './stdcopy.ts'

export interface CarryOptions {
  readonly framed: boolean
  readonly stdin: boolean
  /**
   * What the end of the client's side means, as in dockerd: that of the input, and output goes on; or, where input stays
   * open for the next client (a terminal; a container that is not `StdinOnce`), that of the session.
   */
  readonly inputEnd: 'input' | 'session'
  /** null: none are looked for (no terminal). */
  readonly detachKeys: Buffer | null
  readonly signal: AbortSignal
  readonly limits: ApiLimits
  readonly log: Log
}

/** Resolves when the connection is done with; the session is closed then. */
export async function carrySession(
  session: AttachSession,
  connection: HijackedConnection,
  options: CarryOptions,
): Promise<void> {
  const ended = new AbortController()
  const signal = AbortSignal.any([options.signal, connection.gone, ended.signal])
  const detached = carryInput(session, connection, options, signal)
  try {
    await Promise.race([carryOutput(session, connection, options.framed, signal), detached])
  } catch (error) {
    if (kindOf(error) !== 'cancelled') options.log.warn({ err: error }, 'an attached session broke off')
  } finally {
    ended.abort()
    session.close()
    await connection.finish()
  }
}

async function carryOutput(
  session: AttachSession,
  connection: HijackedConnection,
  framed: boolean,
  signal: AbortSignal,
): Promise<void> {
  const sink = new Sink(connection.output, signal)
  const iterator = session.output[Symbol.asyncIterator]()
  for (;;) {
    const next = await unlessAborted(iterator.next(), signal)
    if (next.done) return
    await sink.write(framed ? frame(next.value.stream, next.value.data) : next.value.data)
  }
}

/** Resolves only when the session is to end: the detach keys were seen, or the input's end means it. */
async function carryInput(
  session: AttachSession,
  connection: HijackedConnection,
  options: CarryOptions,
  signal: AbortSignal,
): Promise<void> {
  const never = new Promise<void>(() => {})
  const scanner = options.detachKeys ? new DetachScanner(options.detachKeys) : null
  const write = (chunk: Buffer) => unlessAborted(session.writeStdin(chunk), signal)
  try {
    for await (const chunk of chunksOf(connection.input)) {
      if (!options.stdin) continue
      const { pass, detached } = scanner?.scan(chunk) ?? { pass: chunk, detached: false }
      if (pass.length > 0) await write(pass)
      if (detached) return
    }
    if (options.stdin) {
      const rest = scanner?.flush()
      if (rest?.length) await write(rest)
      if (options.inputEnd === 'session') return
      await unlessAborted(session.endStdin(), signal)
    }
    connection.watchForVanishing()
  } catch (error) {
    // The process has exited, or the client has gone: both are told by the other direction.
    options.log.debug({ err: error }, 'the input of an attached session ended')
    discard(connection)
  }
  return never
}

async function* chunksOf(input: Readable): AsyncIterable<Buffer> {
  for await (const chunk of input.iterator({ destroyOnReturn: false })) yield chunk as Buffer
}

/** Unread input would make the kernel reset the connection at its end, and the client lose the output's last bytes. */
function discard(connection: HijackedConnection): void {
  connection.input.on('error', () => {})
  connection.input.once('end', () => connection.watchForVanishing())
  connection.input.resume()
}
