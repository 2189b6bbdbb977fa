/** What clients send about volumes. */
import { z } from 'zod'
import { map, text } from '../fields.ts'
import * as q from '../query.ts'

export const createBody = z.looseObject({
  Name: text,
  Driver: text,
  DriverOpts: map,
  Labels: map,
  ClusterVolumeSpec: z.looseObject({}).nullish(),
})
export const listQuery = z.looseObject({ filters: q.text })
export const removeQuery = z.looseObject({ force: q.flag })
