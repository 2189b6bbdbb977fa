/** Requests of hijacked connections, byte by byte, for specs. */
import assert from 'node:assert/strict'
import { until } from '../../lib/deadline.ts'
import { frame } from '../streams/stdcopy.ts'
import type { Served, Wire } from './serve.ts'

export const wait = { deadlineMs: 5_000 }
export const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n'
export const json = 'Content-Type: application/json\r\n'

/** A running container, and an exec in it that has not been started. */
export async function withExec(served: Served, cmd: string[], more: object = {}): Promise<string> {
  const { cloud, ask } = { cloud: served.cloud, ask: served.ask.bind(served) }
  const { json: made } = await ask('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep', '100'] })
  await ask('POST', `/containers/${made.Id}/start`)
  const exec = await ask('POST', `/containers/${made.Id}/exec`, {
    Cmd: cmd,
    AttachStdin: true,
    AttachStdout: true,
    ...more,
  })
  assert.equal(exec.status, 201, exec.text)
  assert.ok(cloud.containers.execs.has(exec.json.Id))
  return exec.json.Id
}

export const startBody = '{"Detach":false,"Tty":false}'
export const startHead = (id: string, extra = upgrade, body = startBody) =>
  `POST /v1.50/exec/${id}/start HTTP/1.1\r\n${extra}${json}Content-Length: ${body.length}\r\n\r\n`

export const framed = (text: string) => frame('stdout', Buffer.from(text)).toString('latin1')
export const said = (wire: Wire, text: string) =>
  until(`"${text}"`, () => wire.text.includes(text) && wire.text, wait)
