/**
 * Requests that no client means, for property tests: each route's own query and body, as its schemas describe them, with
 * values of every kind in every place.
 */
import fc from 'fast-check'
import type { z } from 'zod'
import { createBody } from '../docker/containers/containers.schema.ts'
import type { Route } from '../route.ts'

/** Words that mean something somewhere, among ones that do not. */
export const word = fc.oneof(
  fc.constantFrom('', '0', '1', '-1', 'true', 'all', '99999999999999999999', '1.5', 'x', 'null', '[]', '{}'),
  fc.constantFrom(
    'busybox',
    'sleep',
    'bridge',
    'none',
    'host',
    'container:x',
    '80/tcp',
    '/a',
    'a:/b',
    'a:/b:ro',
  ),
  fc.constantFrom(
    '{"label":["a"]}',
    '{"name":{"(":true}}',
    '{"status":["running"]}',
    '{"until":["1h"]}',
    '%00',
    '\0',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
)

const number = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 2 ** 63, -(2 ** 63), 1e300, 0.5),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)

const leaf = fc.oneof(word, number, fc.boolean(), fc.constant(null))
const anything = fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }), fc.dictionary(word, leaf, { maxKeys: 3 }))

// biome-ignore lint/suspicious/noExplicitAny: what zod keeps of a schema differs with its kind
type Definition = Record<string, any> & { readonly type: string }
const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition

/** Mostly of the schema's form, with something else anywhere. */
function likeSchema(schema: z.ZodType): fc.Arbitrary<unknown> {
  const definition = definitionOf(schema)
  return fc.oneof({ arbitrary: ofForm(definition), weight: 5 }, { arbitrary: anything, weight: 1 })
}

function ofForm(definition: Definition): fc.Arbitrary<unknown> {
  switch (definition.type) {
    case 'object':
      return likeShape(definition.shape)
    case 'array':
      return fc.array(likeSchema(definition.element), { maxLength: 2 })
    case 'tuple':
      return fc.tuple(...(definition.items as z.ZodType[]).map(likeSchema))
    case 'record':
      return fc.dictionary(word, likeSchema(definition.valueType), { maxKeys: 2 })
    case 'union':
      return fc.oneof(...(definition.options as z.ZodType[]).map(likeSchema))
    case 'optional':
    case 'nullable':
    case 'default':
      return likeSchema(definition.innerType)
    case 'pipe':
      return likeSchema(definition.in)
    case 'string':
      return word
    case 'number':
      return number
    case 'boolean':
      return fc.boolean()
    default:
      return anything
  }
}

/** A few of the fields: with all of them, every request would be refused for the first. */
function likeShape(shape: Readonly<Record<string, z.ZodType>>): fc.Arbitrary<object> {
  const names = [...Object.keys(shape), '__proto__', 'Unknown']
  return fc
    .uniqueArray(fc.constantFrom(...names), { maxLength: 4 })
    .chain((chosen) =>
      fc
        .tuple(...chosen.map((name) => (Object.hasOwn(shape, name) ? likeSchema(shape[name]!) : anything)))
        .map((values) => Object.fromEntries(chosen.map((name, n) => [name, values[n]]))),
    )
}

/** What a container is made of is read in two steps; the second is what tells its fields. */
const bodySchemaOf = (route: Route): z.ZodType | null =>
  route.path === '/containers/create' ? createBody : route.body

export interface HostileRequest {
  readonly method: string
  readonly target: string
  readonly body: string | undefined
}

export interface HostileOptions {
  /** What there is, by which it may be found. */
  readonly names: readonly string[]
  /** What every body has, so that more than the first field is looked at. */
  readonly within?: object
}

/** Queries never ask for an answer without an end. */
export function hostileRequest(
  route: Route,
  { names, within = {} }: HostileOptions,
): fc.Arbitrary<HostileRequest> {
  const shape = (definitionOf(route.query).shape ?? {}) as Readonly<Record<string, z.ZodType>>
  const asked = [...Object.keys(shape), '__proto__', 'unknown']
  const query = fc.array(fc.tuple(fc.constantFrom(...asked), word), { maxLength: 4 }).map((pairs) => {
    const search = new URLSearchParams(pairs as [string, string][])
    for (const endless of ['follow', 'stream']) search.set(endless, '0')
    search.set('until', '1')
    search.set('one-shot', '1')
    return search.toString()
  })
  const ref = fc.oneof(word, fc.constantFrom(...names))
  const version = fc.constantFrom('', '/v1.22', '/v1.41', '/v1.50', '/v9.9')
  const target = fc.tuple(version, ref, query).map(([prefix, name, search]) => {
    const path = route.path.replace(/:id|\*name/, encodeURIComponent(name) || 'x')
    return `${prefix}${path}?${search}`
  })
  const schema = bodySchemaOf(route)
  const json = (value: unknown) => JSON.stringify(value)
  const whole = schema
    ? fc.oneof(
        {
          arbitrary: likeSchema(schema).map((value) =>
            json(isObject(value) ? { ...value, ...within } : value),
          ),
          weight: 8,
        },
        { arbitrary: anything.map(json), weight: 1 },
        { arbitrary: fc.string(), weight: 1 },
      )
    : fc.oneof(fc.constant(undefined), word)
  return fc.record({ method: fc.constant(route.method), target, body: whole })
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
