/** Fields of Docker's JSON bodies: everything may be missing or null, and numbers are integers. */
import { z } from 'zod'

const string = z.string().refine((value) => !value.includes('\0'), 'must not contain a NUL character')

export const text = string.nullish().transform((value) => value ?? '')
export const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false)
export const strings = z
  .array(string)
  .nullish()
  .transform((value) => value ?? [])

/** null and missing differ from [] where Docker's defaults apply. */
export const stringsOrNull = z
  .array(string)
  .nullish()
  .transform((value) => value ?? null)

/** A command may be one string: then that is its only word. */
export const command = z
  .union([string.transform((word) => [word]), z.array(string)])
  .nullish()
  .transform((value) => value ?? null)

/** What Docker keeps it in; numbers that no Docker body needs are not exact in JSON here. */
const int64Bound = 2 ** 63

const whole = z
  .number()
  .refine(Number.isInteger, 'must be an integer')
  .refine((value) => value >= -int64Bound && value < int64Bound, 'must be an integer of 64 bits')
export const integer = whole.nullish().transform((value) => value ?? 0)
export const natural = integer.refine((value) => value >= 0, 'must not be negative')
export const integerOrNull = whole.nullish().transform((value) => value ?? null)

/** Words, of which a single one may stand alone. */
export const wordOrWords = command.transform((words) => words ?? [])

export const map = z
  .record(string, string)
  .nullish()
  .transform((value) => value ?? {})

/** `{"80/tcp":{}}`: the keys are what counts. */
export const set = z
  .record(string, z.unknown())
  .nullish()
  .transform((value) => Object.keys(value ?? {}))

/** Things that only matter by being there at all. */
export const items = z
  .array(z.unknown())
  .nullish()
  .transform((value) => value ?? [])
