/** What a schema makes of its input. */
import type { z } from 'zod'

export type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : never
