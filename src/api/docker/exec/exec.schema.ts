/** What clients send about execs. */
import { z } from 'zod'
import { flag, strings, text } from '../fields.ts'
import * as q from '../query.ts'

const size = z.tuple([
  z.number().int().min(0).max(q.terminalSizeMax),
  z.number().int().min(0).max(q.terminalSizeMax),
])

export const createBody = z.looseObject({
  User: text,
  Privileged: flag,
  Tty: flag,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  DetachKeys: text,
  Env: strings,
  WorkingDir: text,
  Cmd: strings,
})

export const startBody = z
  .looseObject({ Detach: flag, Tty: flag, ConsoleSize: size.nullish() })
  .nullish()
  .transform((value) => value ?? { Detach: false, Tty: false, ConsoleSize: null })

export const resizeQuery = q.terminalSizes
