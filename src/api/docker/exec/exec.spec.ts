import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../../lib/deadline.ts'
import { invalid, unavailable } from '../../../lib/errors.ts'
import { Served } from '../../support/serve.ts'
import { startBody, startHead, wait, withExec } from '../../support/wire.ts'

/** What a client that starts an exec is told, head and all. */
async function started(served: Served): Promise<string> {
  const wire = served.connect()
  wire.socket.end(`${startHead(await withExec(served, ['true']))}${startBody}`)
  await until('the end', () => wire.ended, wait)
  wire.socket.destroy()
  return wire.text
}

test('why a program could not be started is told on the stream, whatever stage it failed in', async () => {
  for (const code of ['not_executable', 'not_found_in_image', 'start_failed']) {
    await using served = await Served.start()
    served.cloud.containers.startExec = async () => {
      throw invalid(code, `exec failed: ${code}`)
    }
    const text = await started(served)
    assert.match(text, /^HTTP\/1.1 101 UPGRADED\r\n/)
    assert.ok(text.endsWith(`exec failed: ${code}\r\n`), text)
  }
})

test('the head leaves before the program starts, and what fails then is told on the stream', async () => {
  await using served = await Served.start()
  served.cloud.containers.startExec = async () => {
    throw unavailable('busy', 'the guest does not answer')
  }
  assert.match(await started(served), /^HTTP\/1.1 101 [\s\S]*the guest does not answer/)
})
