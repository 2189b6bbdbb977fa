import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from './config.ts'
import { welcome } from './welcome.ts'

const config = readConfig(['--socket', '/run/x/docker.sock'], {})

test('it says what to type next, with the socket that there is', () => {
  const text = welcome(config, { accelerator: 'kvm', hypervisor: 'QEMU 7.2' }, '')
  assert.match(text, /export DOCKER_HOST=unix:\/\/\/run\/x\/docker\.sock/)
  assert.match(text, /apt-get install -y docker\.io curl /)
  assert.doesNotMatch(text, /slower/)
})

test('it says what emulation costs, and asks for those commands only that are missing', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hb-welcome-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const text = () => welcome(config, { accelerator: 'tcg', hypervisor: 'QEMU 7.2' }, `:/nowhere:${directory}`)
  assert.match(text(), /10 to 50 times slower/)
  writeFileSync(join(directory, 'docker'), '')
  assert.match(text(), /apt-get install -y curl /)
  writeFileSync(join(directory, 'curl'), '')
  assert.doesNotMatch(text(), /apt-get/)
})
