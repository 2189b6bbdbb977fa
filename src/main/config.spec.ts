import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig, settings } from './config.ts'

test('a flag wins over the environment, and the environment over the default', () => {
  const { poolSize } = readConfig([], {})
  assert.ok(poolSize >= 1 && poolSize <= 16, String(poolSize))
  assert.equal(readConfig([], { HUMMINGBIRD_POOL_SIZE: '5' }).poolSize, 5)
  assert.equal(readConfig(['--pool-size', '6'], { HUMMINGBIRD_POOL_SIZE: '5' }).poolSize, 6)
})

test('every option has a flag, a name in the environment and a sentence, each its own', () => {
  const all = Object.values(settings)
  for (const key of ['flag', 'env', 'help'] as const) {
    assert.equal(new Set(all.map((setting) => setting[key])).size, all.length, key)
  }
  for (const { flag, env, help } of all) {
    assert.match(flag, /^--[a-z-]+ <.+>$/)
    assert.match(env, /^HUMMINGBIRD_[A-Z_]+$/)
    assert.match(help, /[^.]$/)
  }
})

test('the defaults are what the code wants of them', () => {
  const config = readConfig([], {})
  assert.equal(config.tcp, null)
  assert.deepEqual(config.insecureRegistries, [])
  assert.equal(config.rootDiskBytes, 10 * 2 ** 30)
  assert.deepEqual([config.volumeBytes, config.volumeBytesMax], [10 * 2 ** 30, 2 ** 40])
  assert.ok(config.sizes.some(({ name }) => name === config.defaultSize))
})

test('lists and addresses are taken apart', () => {
  const config = readConfig(['--tcp', '127.0.0.1:2375', '--insecure-registry', 'a:5000,b:5000'], {})
  assert.deepEqual(config.tcp, { host: '127.0.0.1', port: 2375 })
  assert.deepEqual(config.insecureRegistries, ['a:5000', 'b:5000'])
})

test('a value that makes no sense is refused with the names it can be given by', () => {
  const cases: [flag: string, value: string, says: RegExp][] = [
    ['--state-dir', 'relative', /^--state-dir \(or HUMMINGBIRD_STATE_DIR\): must be an absolute path$/],
    ['--runtime-dir', `/${'x'.repeat(80)}`, /must be short/],
    ['--socket', `/${'x'.repeat(120)}`, /shorter than 100/],
    ['--tcp', 'nowhere', /must be host:port/],
    ['--tcp', '127.0.0.1:99999', /at most 65535/],
    ['--tcp', '0.0.0.0:2375', /on loopback only/],
    ['--tcp', '[::]:2375', /on loopback only/],
    ['--tls-cert', '/cert.pem', /both --tls-cert and --tls-key/],
    ['--tls-ca', 'ca.pem', /--tls-ca \(or HUMMINGBIRD_TLS_CA\)/],
    ['--insecure-tcp', 'maybe', /--insecure-tcp/],
    ['--tcp', '127.evil.example:2375', /on loopback only/],
    ['--network-prefix', 'h', /two to four letters/],
    ['--subnet', '10.0.0.0', /an IPv4 subnet such as/],
    ['--accelerator', 'warp', /--accelerator/],
    ['--pool-size', 'many', /--pool-size/],
    ['--pool-size', '65', /--pool-size/],
    ['--pool-size', '', /--pool-size/],
    ['--default-size', 'xxl', /--default-size/],
    ['--root-disk-gb', '0', /--root-disk-gb/],
    ['--volume-size', '0', /must be a size from 16M to 64T/],
    ['--volume-size', 'large', /--volume-size /],
    ['--volume-size', '2T', /2 TiB is more than --volume-size-max allows/],
    ['--volume-size-max', '1P', /--volume-size-max/],
    ['--log-level', 'loud', /--log-level/],
  ]
  for (const [flag, value, message] of cases) {
    assert.throws(() => readConfig([flag, value], {}), { kind: 'invalid', message }, `${flag} ${value}`)
  }
})

test('an address that others reach is served when client certificates, or the operator, say who may come in', () => {
  const tls = ['--tls-cert', '/cert.pem', '--tls-key', '/key.pem']
  const read = (...more: string[]) => readConfig(['--tcp', '0.0.0.0:2376', ...more], {})
  assert.throws(() => read(...tls), { message: /on loopback only/ })
  assert.deepEqual(read(...tls, '--tls-ca', '/ca.pem').tls, {
    cert: '/cert.pem',
    key: '/key.pem',
    ca: '/ca.pem',
  })
  assert.deepEqual(read('--insecure-tcp', 'yes').tcp, { host: '0.0.0.0', port: 2376 })
  assert.deepEqual(readConfig(['--tcp', '[::1]:2375'], {}).tcp, { host: '::1', port: 2375 })
  assert.throws(() => readConfig(tls, {}), { message: /is for the --tcp address/ })
})
