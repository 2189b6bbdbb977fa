/** Debian's python3-docker, as it is, through its own script. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startCloud } from '../support/cloud.ts'

const { docker } = await startCloud({ images: ['busybox'] })
const run = promisify(execFile)

test('python3-docker does with it what it does with dockerd', async () => {
  const script = `${import.meta.dirname}/docker-py.py`
  const env = { DOCKER_HOST: docker.command.environment.DOCKER_HOST, PATH: process.env.PATH }
  const { stdout } = await run('/usr/bin/python3', [script], { env, timeout: 180_000, killSignal: 'SIGKILL' })
  assert.match(stdout, /^python3-docker \d/)
})
