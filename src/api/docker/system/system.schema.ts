/** What clients send about the whole. */
import { z } from 'zod'
import { text } from '../fields.ts'
import * as q from '../query.ts'

export const eventsQuery = z.looseObject({ since: q.timestamp, until: q.timestamp, filters: q.text })
export const usageQuery = z.looseObject({ type: q.list })
export const authBody = z.looseObject({
  username: text,
  password: text,
  serveraddress: text,
  identitytoken: text,
  registrytoken: text,
})
