/** What `hb volume` sends. */
import { z } from 'zod'
import { integer, text } from '../docker/fields.ts'

export const growBody = z.looseObject({ sizeBytes: integer })
export const snapshotBody = z.looseObject({ name: text })
export const restoreBody = z.looseObject({ snapshot: text })
export const cloneBody = z.looseObject({ name: text, snapshot: text })
