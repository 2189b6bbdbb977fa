import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from './config.ts'
import { welcome } from './welcome.ts'

const config = readConfig(['--socket', '/run/x/docker.sock'], {})

test('it says what to type next, with the socket that there is', () => {
  const text = welcome(config, { accelerator: 'kvm', hypervisor: 'QEMU 7.2' }, '')
  assert.match(text, /export DOCKER_HOST=unix:\/\/\/run\/x\/docker\.sock/)
  assert.match(text, /apt-get install -y docker\.io/)
  assert.doesNotMatch(text, /slower/)
})

test('it says what emulation costs, and asks for no docker command where there is one', () => {
  const text = welcome(config, { accelerator: 'tcg', hypervisor: 'QEMU 7.2' }, '/usr/sbin:/usr/bin')
  assert.match(text, /10 to 50 times slower/)
  assert.doesNotMatch(text, /apt-get/)
})
