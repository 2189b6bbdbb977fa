import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseResolvConf, ResolvConfSource, sandboxResolvConf } from './resolv-conf.ts'

const isHost = (address: string) => address.startsWith('127.') || address === '192.0.2.2'
const answer = (host: string, upstream?: string) =>
  sandboxResolvConf(
    parseResolvConf(host),
    upstream === undefined ? undefined : parseResolvConf(upstream),
    isHost,
  )

test("a sandbox asks the host's name servers, with the host's search and options", () => {
  const host =
    '# made by hand\nnameserver 10.0.0.53 ; first\nsearch example.org  corp\noptions ndots:2\nnameserver\t10.0.0.54\n'
  assert.equal(
    answer(host),
    'nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch example.org corp\noptions ndots:2\n',
  )
})

test('a name server on the host itself is replaced by those that it asks, else by public ones', () => {
  const stub = 'nameserver 127.0.0.53\noptions edns0\nsearch lan\n'
  assert.equal(
    answer(stub, 'nameserver 10.9.9.9\nsearch other\n'),
    'nameserver 10.9.9.9\noptions edns0\nsearch lan\n',
  )
  for (const unreachable of [
    stub,
    stub.replace('127.0.0.53', '::1'),
    stub.replace('127.0.0.53', '192.0.2.2'),
  ]) {
    assert.equal(answer(unreachable), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\noptions edns0\nsearch lan\n')
  }
  assert.equal(answer(''), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n')
})

test('whatever the host has, a sandbox gets one to three name servers, all of which it can reach', () => {
  const line = fc.oneof(
    fc.ipV4().map((address) => `nameserver ${address}`),
    fc.ipV6().map((address) => `nameserver ${address}`),
    fc.string().map((text) => text.replaceAll('\n', ' ')),
    fc.constantFrom('nameserver 127.0.0.1', 'nameserver', 'search a b', 'options'),
  )
  const file = fc.array(line, { maxLength: 12 }).map((lines) => lines.join('\n'))
  fc.assert(
    fc.property(file, fc.option(file, { nil: undefined }), (host, upstream) => {
      const { nameservers } = parseResolvConf(answer(host, upstream))
      assert.ok(nameservers.length >= 1 && nameservers.length <= 3)
      assert.ok(nameservers.every((address) => /^[\d.]+$/.test(address) && !isHost(address)))
    }),
  )
})

test('a changed file is read again, and one that is absent counts as empty', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'resolv-conf-'))
  try {
    const files = { host: join(directory, 'resolv.conf'), upstream: join(directory, 'upstream') }
    const source = new ResolvConfSource(files, isHost)
    assert.equal(await source.read(), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n')
    await writeFile(files.host, 'nameserver 10.0.0.1\n')
    assert.equal(await source.read(), 'nameserver 10.0.0.1\n')
    await writeFile(files.host, 'nameserver 10.0.0.1\nnameserver 10.0.0.2\n')
    assert.equal(await source.read(), 'nameserver 10.0.0.1\nnameserver 10.0.0.2\n')
  } finally {
    await rm(directory, { recursive: true })
  }
})
