/** What clients send about execs. */
import { z } from 'zod'
import { command, flag, strings, text } from '../fields.ts'
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
  Cmd: command,
})

export const startBody = z
  .looseObject({ Detach: flag, Tty: flag, ConsoleSize: size.nullish() })
  .nullish()
  .transform((value) => value ?? { Detach: false, Tty: false, ConsoleSize: null })

export const resizeQuery = z.looseObject({
  h: q.integer(0, q.terminalSizeMax),
  w: q.integer(0, q.terminalSizeMax),
})
