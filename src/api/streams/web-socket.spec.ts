import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Served } from '../support/serve.ts'

async function created(served: Served, body: object): Promise<string> {
  const { json } = await served.ask('POST', '/containers/create', { Image: 'busybox', ...body })
  await served.ask('POST', `/containers/${json.Id}/start`)
  return json.Id
}

const open = (served: Served, path: string, headers: Record<string, string> = {}) =>
  new WebSocket(`ws+unix:${served.socketPath}:${path}`, { headers })

test('what is no WebSocket is told so, and what does not exist is a plain answer', async () => {
  await using served = await Served.start()
  const id = await created(served, { Cmd: ['cat'], OpenStdin: true })
  assert.equal((await served.ask('GET', `/containers/${id}/attach/ws?stream=1`)).status, 400)
  for (const [path, headers, status] of [
    ['/containers/nosuch/attach/ws', {}, 404],
    ['/containers/json', {}, 200],
    [`/containers/${id}/attach/ws?detachKeys=ctrl-?`, {}, 400],
    [`/containers/${id}/attach/ws`, { Origin: 'http://page.example' }, 403],
    [`/v1.99/containers/${id}/attach/ws`, {}, 400],
  ] as const) {
    const [, response] = await once(open(served, path, headers), 'unexpected-response')
    assert.equal(response.statusCode, status, path)
  }
  assert.deepEqual(served.faults, [])
})

test('a handshake that is none is refused', async () => {
  await using served = await Served.start()
  const id = await created(served, { Cmd: ['cat'], OpenStdin: true })
  const { status } = await served.ask('GET', `/containers/${id}/attach/ws`, undefined, {
    ...{ Connection: 'Upgrade', Upgrade: 'websocket' },
    ...{ 'Sec-WebSocket-Key': 'short', 'Sec-WebSocket-Version': '13' },
  })
  assert.equal(status, 400)
})
