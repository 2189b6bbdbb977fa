/** What clients send about networks. Objects are loose: fields that say nothing here are let pass. */
import { z } from 'zod'
import { endpoint } from '../containers/containers.schema.ts'
import { flag, map, text } from '../fields.ts'
import * as q from '../query.ts'

const pool = z.looseObject({ Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: map })
const orNull = z.boolean().nullish()

export const createBody = z.looseObject({
  Name: text,
  Driver: text,
  Scope: text,
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: z.looseObject({ Network: text }).nullish(),
  EnableIPv4: orNull,
  EnableIPv6: orNull,
  IPAM: z
    .looseObject({
      Driver: text,
      Options: map,
      Config: z
        .array(pool)
        .nullish()
        .transform((value) => value ?? []),
    })
    .nullish(),
  Options: map,
  Labels: map,
})
export type CreateBody = z.output<typeof createBody>

export const connectBody = z.looseObject({ Container: text, EndpointConfig: endpoint.nullish() })
export const disconnectBody = z.looseObject({ Container: text, Force: flag })

export const listQuery = z.looseObject({ filters: q.text })
export const inspectQuery = z.looseObject({ verbose: q.flag, scope: q.text })
