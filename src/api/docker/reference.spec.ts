import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { dockerReference, nameOf, referencePath } from '../support/reference.ts'
import { configSamples, endpointNotes, hostConfigSamples } from '../support/reference-samples.ts'
import { createBody, hostConfig } from './containers/containers.schema.ts'
import { echoOf } from './containers/frontend.ts'
import { dockerRoutes } from './routes.ts'

test('docs/docker-api.md says what the code does', async () => {
  assert.equal(
    readFileSync(referencePath, 'utf8'),
    await dockerReference(),
    'docs/docker-api.md is outdated: run `node src/api/support/reference.ts`, and read what has changed',
  )
})

test('every field that is read of a request, or shown by inspect, is in it', () => {
  const missing = (names: readonly string[], samples: object) =>
    names.filter((name) => !Object.hasOwn(samples, name))
  const own = Object.keys(createBody.shape).filter((name) => name !== 'HostConfig')
  assert.deepEqual(missing(own, configSamples), [])
  assert.deepEqual(missing(Object.keys(hostConfig.shape), hostConfigSamples), [])
  const { hostConfig: shown } = echoOf({}, createBody.parse({}))
  assert.deepEqual(missing(Object.keys(shown), hostConfigSamples), [])
})

test('its notes are of endpoints that are served', () => {
  const served = dockerRoutes.filter((route) => route.served).map(nameOf)
  for (const name of Object.keys(endpointNotes)) assert.ok(served.includes(name), name)
})
