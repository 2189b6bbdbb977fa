/** What clients send about images. */
import { z } from 'zod'
import * as q from '../query.ts'

export const listQuery = z.looseObject({
  all: q.flag,
  digests: q.flag,
  filters: q.text,
  /** Old clients. */
  filter: q.text,
  'shared-size': q.flag,
})
export const createQuery = z.looseObject({
  fromImage: q.text,
  tag: q.text,
  fromSrc: q.text,
  repo: q.text,
  message: q.text,
  platform: q.text,
  changes: q.list,
})
export const pushQuery = z.looseObject({ tag: q.text, platform: q.text })
export const tagQuery = z.looseObject({ repo: q.text, tag: q.text })
export const removeQuery = z.looseObject({ force: q.flag, noprune: q.flag })
export const pruneQuery = z.looseObject({ filters: q.text })
export const saveQuery = z.looseObject({ names: q.list, platform: q.text })
export const loadQuery = z.looseObject({ quiet: q.flag, platform: q.text })

/** The JSON in an X-Registry-Auth header. */
export const registryAuth = z.looseObject({
  username: z.string().nullish(),
  password: z.string().nullish(),
  /** base64 of `username:password`: some clients send only this. */
  auth: z.string().nullish(),
  identitytoken: z.string().nullish(),
  registrytoken: z.string().nullish(),
  serveraddress: z.string().nullish(),
})
