/** What clients send about builds: all of it in the query, some of it as JSON in a parameter. */
import { z } from 'zod'
import * as q from '../query.ts'

/** A parameter that is JSON; absent, empty and null are the same. */
function json<Schema extends z.ZodType>(name: string, schema: Schema) {
  return z
    .array(z.string())
    .optional()
    .transform((list, context): z.output<Schema> | null => {
      const text = list?.[0] ?? ''
      if (text === '') return null
      const parsed = schema.nullable().safeParse(parseJson(text))
      if (parsed.success) return parsed.data
      context.addIssue({
        code: 'custom',
        message: `${name} is not the JSON that it should be: ${q.clip(text)}`,
      })
      return z.NEVER
    })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const whole = q.integer(-(2 ** 53), 2 ** 53)
const entriesMax = 10_000
const withoutNul = z.string().refine((value) => !value.includes('\0'))
const map = <Value extends z.ZodType>(value: Value) =>
  z.record(withoutNul, value).refine((entries) => Object.keys(entries).length <= entriesMax)

export const buildQuery = z.looseObject({
  dockerfile: q.text,
  t: q.list,
  q: q.flag,
  nocache: q.flag,
  pull: q.flag,
  rm: q.flagOn,
  forcerm: q.flag,
  target: q.text,
  remote: q.text,
  squash: q.flag,
  version: q.text,
  buildid: q.text,
  platform: q.text,
  networkmode: q.text,
  extrahosts: q.list,
  memory: whole,
  memswap: whole,
  cpushares: whole,
  cpuperiod: whole,
  cpuquota: whole,
  shmsize: whole,
  securityopt: q.list,
  cgroupparent: q.text,
  isolation: q.text,
  buildargs: json('buildargs', map(withoutNul.nullable())),
  labels: json('labels', map(withoutNul)),
  /** Images whose steps may be used again: all that are here may. */
  cachefrom: json('cachefrom', z.array(z.string())),
  ulimits: json(
    'ulimits',
    z.array(z.looseObject({ Name: z.string(), Soft: z.number().int(), Hard: z.number().int() })),
  ),
})

export const cancelQuery = z.looseObject({ id: q.text })

export const pruneQuery = z.looseObject({ all: q.flag, filters: q.text })
