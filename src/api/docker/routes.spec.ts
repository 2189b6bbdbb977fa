import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RouteTable } from '../route.ts'
import { apiVersion, compareVersions } from '../versions.ts'
import endpoints from './endpoints.json' with { type: 'json' }
import { dockerRoutes } from './routes.ts'

const listed = dockerRoutes.map(({ method, path, since, served }) => ({ method, path, since, served }))

test('the list of endpoints is the routes there are', () => {
  assert.deepEqual(
    endpoints,
    listed,
    `src/api/docker/endpoints.json is outdated; it must be:\n${JSON.stringify(listed, null, 2)}`,
  )
})

test('every route has a schema for its query, a version that knows it, and a body only where one is sent', () => {
  for (const { method, path, since, query, body } of dockerRoutes) {
    const name = `${method} ${path}`
    assert.equal(typeof query.safeParse, 'function', name)
    assert.ok(query.safeParse({}).success, `${name}: a query may be empty`)
    assert.ok(compareVersions(since, apiVersion) <= 0, name)
    if (body) assert.ok(method === 'POST' || method === 'PUT', name)
  }
})

test('no route is listed twice, and none hides another', () => {
  const table = new RouteTable(dockerRoutes)
  const seen = new Set<string>()
  for (const route of dockerRoutes) {
    const name = `${route.method} ${route.path}`
    assert.ok(!seen.has(name), `${name} is listed twice`)
    seen.add(name)
    const path = route.path.replace(/:id/, 'some-id').replace(/\*name/, 'some/name:tag')
    const found = table.find(route.method, path)
    assert.equal(found?.route, route, `${path} finds ${found?.route.path}`)
    const param = Object.keys(found?.params ?? {})[0]
    if (param) assert.equal(found?.params[param], param === 'id' ? 'some-id' : 'some/name:tag')
  }
})
