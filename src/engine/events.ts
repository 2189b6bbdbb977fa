/**
 * What happened, told to whoever listens and kept for those who ask later. Events are written to the store a moment
 * after they were told: they are history, not state, and must not hold up what they tell of.
 */
import { exhausted, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { minuteMs } from '../lib/units.ts'
import type { Clock } from './clock.ts'
import type { EngineEvent } from './model.ts'
import type { EventStore } from './ports/store.ts'

export type NewEvent = Omit<EngineEvent, 'timeNano'>

/** How many events are kept, and how often older ones are dropped. */
const keptMax = 20_000
const trimEvery = 2_000
/** A burst is one write; what a killed daemon has told and not written is of so short a time. */
const writeDelayMs = 10
/** Events that wait for the store beyond this are not kept. */
const unwrittenMax = 10_000
/** A listener that is so far behind is told so and let go. */
const behindMax = 4_096
const pageSize = 500

interface Subscription {
  readonly project: string
  readonly queue: EngineEvent[]
  overflowed: boolean
  wake: (() => void) | undefined
}

export interface EventFilter {
  readonly sinceNano: bigint | null
  readonly untilNano: bigint | null
  readonly signal: AbortSignal
}

export class Events {
  readonly #store: EventStore
  readonly #clock: Clock
  readonly #log: Log
  readonly #subscriptions = new Set<Subscription>()
  #lastNano = 0n
  #unwritten: EngineEvent[] = []
  #sinceTrim = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(store: EventStore, clock: Clock, log: Log) {
    this.#store = store
    this.#clock = clock
    this.#log = log
  }

  /** An event gets its time here, later than that of any before it. */
  publish(event: NewEvent & { readonly timeNano?: bigint }): void {
    const now = this.#clock.nowNano()
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n
    const told: EngineEvent = { ...event, timeNano: this.#lastNano }
    for (const subscription of this.#subscriptions) offer(subscription, told)
    if (this.#unwritten.length < unwrittenMax) this.#unwritten.push(told)
    this.#timer ??= setTimeout(() => void this.flush(), writeDelayMs).unref()
  }

  /** Listens from the moment of the call, before anything is pulled. */
  subscribe(project: string, { sinceNano, untilNano, signal }: EventFilter): AsyncIterable<EngineEvent> {
    const subscription: Subscription = { project, queue: [], overflowed: false, wake: undefined }
    this.#subscriptions.add(subscription)
    // What is told from now on is later than this, and what is stored is not.
    const now = this.#clock.nowNano()
    if (now > this.#lastNano) this.#lastNano = now
    const told = this.#lastNano
    const wake = () => subscription.wake?.()
    const leave = () => {
      this.#subscriptions.delete(subscription)
      wake()
    }
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    return this.#follow(subscription, { since: sinceNano, told, until: untilNano, leave })
  }

  /** Everything told so far is in the store, if it takes it. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#write())
    await this.#writing
  }

  async #write(): Promise<void> {
    const events = this.#unwritten.splice(0)
    if (events.length === 0) return
    try {
      await this.#store.append(events)
      this.#sinceTrim += events.length
      if (this.#sinceTrim < trimEvery) return
      this.#sinceTrim = 0
      await this.#store.trim(keptMax)
    } catch (error) {
      this.#log.warn({ events: events.length, error: messageOf(error) }, 'events could not be kept')
    }
  }

  async *#follow(
    subscription: Subscription,
    range: { since: bigint | null; told: bigint; until: bigint | null; leave: () => void },
  ): AsyncGenerator<EngineEvent> {
    const { since, told, until, leave } = range
    let timer: NodeJS.Timeout | undefined
    try {
      if (since !== null)
        yield* this.#past(subscription.project, since, until !== null && until < told ? until : told)
      const isOver = () => until !== null && this.#clock.nowNano() > until
      while (this.#subscriptions.has(subscription)) {
        const event = subscription.queue.shift()
        if (event && until !== null && event.timeNano > until) return
        if (event) yield event
        else if (subscription.overflowed) throw tooSlow()
        else if (isOver()) return
        else {
          await new Promise<void>((resolve) => {
            subscription.wake = resolve
            if (until !== null) timer = setTimeout(resolve, msUntil(until, this.#clock))
          })
          clearTimeout(timer)
        }
      }
    } finally {
      clearTimeout(timer)
      leave()
    }
  }

  async *#past(project: string, since: bigint, to: bigint): AsyncGenerator<EngineEvent> {
    await this.flush()
    for (let from = since; from <= to; ) {
      const page = await this.#store.between(project, from, to, pageSize)
      yield* page
      if (page.length < pageSize) return
      from = page.at(-1)!.timeNano + 1n
    }
  }
}

function offer(subscription: Subscription, event: EngineEvent): void {
  if (subscription.project !== event.project || subscription.overflowed) return
  if (subscription.queue.length >= behindMax) subscription.overflowed = true
  else subscription.queue.push(event)
  subscription.wake?.()
}

function tooSlow() {
  return exhausted(
    'events_lost',
    `events were read too slowly, and more than ${behindMax} of them waited; listen again`,
  )
}

/** A timer knows no longer time than 24 days; waking early does no harm. */
function msUntil(nano: bigint, clock: Clock): number {
  return Math.min(Number((nano - clock.nowNano()) / 1_000_000n) + 1, 60 * minuteMs)
}
