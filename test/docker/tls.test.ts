/** The API over TLS: `docker context` with certificates, and what those are told whose certificate is not good. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { freePort } from '../../src/images/support/registry.ts'
import { Authority } from '../support/certificates.ts'
import { startCloud } from '../support/cloud.ts'

const directory = mkdtempSync(join(tmpdir(), 'hb-tls-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const ours = new Authority(directory, 'ca')
const theirs = new Authority(directory, 'other')
ours.sign('server', 'serverAuth')
ours.sign('client', 'clientAuth')
ours.sign('expired', 'clientAuth', -1)
theirs.sign('stranger', 'clientAuth')
const pem = (name: string) => join(directory, `${name}.pem`)
const port = await freePort()
const args = ['--tcp', `127.0.0.1:${port}`, '--tls-cert', pem('server'), '--tls-key', pem('server-key')]
const { docker } = await startCloud({ images: ['busybox'], args: [...args, '--tls-ca', pem('ca')] })

/** A docker context with these certificates. */
async function context(name: string, client: string | null, ca = 'ca'): Promise<string[]> {
  const certificate = client ? `,cert=${pem(client)},key=${pem(`${client}-key`)}` : ''
  const host = `host=tcp://127.0.0.1:${port},ca=${pem(ca)}${certificate}`
  await docker.ok(['context', 'create', name, '--docker', host])
  return ['--context', name]
}

test('a context with a client certificate does all that the socket does, both ways at once', async () => {
  const good = await context('good', 'client')
  assert.equal(await docker.ok([...good, 'run', '--rm', 'busybox', 'echo', 'over TLS']), 'over TLS')
  const input = 'a line of input\n'.repeat(20_000)
  const echoed = await docker.run([...good, 'run', '--rm', '-i', 'busybox', 'cat'], { input })
  assert.equal(
    echoed.stdout,
    input,
    'the end of the input reaches the container, and its output comes back whole',
  )
  const exec = await docker.ok([...good, 'run', '-d', '--name', 'over', 'busybox', 'sleep', '1000'])
  assert.equal(await docker.ok([...good, 'exec', exec, 'echo', 'inside']), 'inside')
  await docker.ok([...good, 'rm', '-f', 'over'])
})

test('who has no good certificate is told why', async () => {
  const none = await context('none', null)
  assert.match(await docker.fails([...none, 'ps']), /daemon: a client certificate.* is required/)
  const stranger = await context('stranger', 'stranger')
  assert.match(await docker.fails([...stranger, 'ps']), /signed by the authority/)
  const expired = await context('expired', 'expired')
  assert.match(
    await docker.fails([...expired, 'ps']),
    /daemon: the client certificate is refused: it has expired/,
  )
  assert.match(await docker.fails([...expired, 'run', 'busybox', 'true'], 125), /it has expired/)
  const doubting = await context('doubting', 'client', 'other')
  assert.match(await docker.fails([...doubting, 'ps']), /certificate signed by unknown authority/)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a session that began without a certificate is not taken up as if it had one (${maxVersion})`, async () => {
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion }
    let session: Buffer | undefined
    const ask = async (more: { session?: Buffer } = {}) => {
      const socket: TLSSocket = connect({ ...options, ...more })
      socket.on('session', (it: Buffer) => {
        session = it
      })
      socket.write('GET /info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      const said = await socket.toArray()
      return Buffer.concat(said).toString()
    }
    assert.match(await ask(), /^HTTP\/1.1 401 /)
    assert.match(await ask(session ? { session } : {}), /^HTTP\/1.1 401 /)
  })
}
