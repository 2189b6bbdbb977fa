/**
 * The form of the table: a case is a title and steps, a step is one request. `{name}` in a path or body is what an earlier
 * step (or the fixtures of peer.ts) kept under that name; `{it}` is a name that is this case's own, the same for both daemons.
 */
export interface Step {
  /** `POST /containers/{up}/start?t=1`; the newest version that both speak is put before it, unless it begins with `=`. */
  readonly request: string
  /** Sent as JSON; text is sent as it is, with `application/json` still. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** The Id of the answer, for later steps. */
  readonly keep?: string
  /** What is kept, when it is not the Id. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are JSON of every shape
  readonly from?: (json: any) => string
  /** Only the way to a state: it must succeed with both, and is not compared. */
  readonly setUp?: boolean
  /** Asked again until the JSON of the answer (its text when it is none) is as wanted. Not compared. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are JSON of every shape
  readonly until?: (json: any) => boolean
  /** Where in the JSON not only types, but values must be equal: `State.Status`. */
  readonly values?: readonly string[]
  /** With what paths in the JSON begin that are of the host, or of what the daemon is: not compared. */
  readonly besides?: readonly string[]
  /** The client goes away after the first so many bytes of an answer without an end. */
  readonly firstBytes?: number
}

export interface Case {
  readonly title: string
  readonly steps: readonly Step[]
  /** One of the two takes its time: it begins early. */
  readonly slow?: boolean
  /** Of all that there is: asked before other cases make more. */
  readonly ofAll?: boolean
}

export const ofAll = (asked: Case): Case => ({ ...asked, ofAll: true })

export const isCompared = ({ setUp, until }: Step): boolean => !setUp && !until

type Options = Omit<Step, 'request' | 'body'> & { note?: string }

/** A case of one request, by which it is called; `note` tells apart what is sent. */
export function one(request: string, body?: unknown, { note, ...options }: Options = {}): Case {
  const told =
    note ?? (body === undefined ? '' : clip(typeof body === 'string' ? body : JSON.stringify(body)))
  return { title: `${request}${told === '' ? '' : ` ${told}`}`, steps: [step(request, body, options)] }
}

/** The same request with each of these bodies. */
export const each = (request: string, ...bodies: unknown[]): Case[] =>
  bodies.map((body) => one(request, body))

export const step = (
  request: string,
  body?: unknown,
  options: Omit<Step, 'request' | 'body'> = {},
): Step => ({
  request,
  ...(body === undefined ? {} : { body }),
  ...options,
})

export const setUp = (request: string, body?: unknown, options: Omit<Step, 'request' | 'body'> = {}): Step =>
  step(request, body, { ...options, setUp: true })

export const story = (title: string, ...steps: Step[]): Case => ({ title, steps })

/** A container of this case's own, which `{c}` stands for. */
export const create = (body: object = {}): Step =>
  setUp(
    'POST /containers/create?name={it}',
    { Image: 'busybox', Cmd: ['sleep', '600'], ...body },
    { keep: 'c' },
  )

const clip = (text: string) => (text.length > 120 ? `${text.slice(0, 120)}…` : text)
