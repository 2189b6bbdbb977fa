/**
 * Regular expressions of clients (`--filter name=^web-[0-9]+$`), matched in time linear in the text: JavaScript's own
 * backtrack, and `(a+)+$` against a name would stop the daemon for all. What is understood is the common part of RE2:
 * literals, `.`, classes, groups, `|`, `* + ?`, `^ $`, and `\d \w \s`. A pattern that is not understood matches nothing
 * but itself.
 *
 *     a(b|c)*d   compiles to states; the text is read once, with the set of all states it may be in.
 */
const patternCharactersMax = 512

type Test = (character: string) => boolean
type State =
  | { kind: 'character'; test: Test; next: number }
  | { kind: 'split'; next: number[] }
  | { kind: 'start' | 'end'; next: number }
  | { kind: 'match' }

/** Whether the pattern is found anywhere in the text. */
export function matchesSomewhere(pattern: string, text: string): boolean {
  let states: State[]
  let first: number
  try {
    const compiler = new Compiler(pattern)
    first = compiler.compile()
    states = compiler.states
  } catch (error) {
    if (error instanceof BadPattern) return false
    throw error
  }
  let current = new Set<number>()
  for (let at = 0; ; at++) {
    follow(states, first, at === 0, at === text.length, current)
    if (current.has(0)) return true
    if (at === text.length) return false
    const next = new Set<number>()
    for (const index of current) {
      const state = states[index]!
      if (state.kind === 'character' && state.test(text[at]!)) {
        follow(states, state.next, false, at + 1 === text.length, next)
      }
    }
    current = next
  }
}

/** Adds a state and all that are reached from it without reading a character. */
function follow(
  states: readonly State[],
  from: number,
  atStart: boolean,
  atEnd: boolean,
  into: Set<number>,
): void {
  const pending = [from]
  while (pending.length > 0) {
    const index = pending.pop()!
    if (into.has(index)) continue
    const state = states[index]!
    if ((state.kind === 'start' && !atStart) || (state.kind === 'end' && !atEnd)) continue
    into.add(index)
    if (state.kind === 'split') pending.push(...state.next)
    else if (state.kind === 'start' || state.kind === 'end') pending.push(state.next)
  }
}

class BadPattern extends Error {}

/** Builds from the end to the beginning: each part is compiled knowing where it goes on. State 0 is the match. */
type Part = (next: number) => number

class Compiler {
  readonly states: State[] = [{ kind: 'match' }]
  readonly #pattern: string
  #at = 0

  constructor(pattern: string) {
    if (pattern.length > patternCharactersMax) throw new BadPattern()
    this.#pattern = pattern
  }

  compile(): number {
    const part = this.#alternatives()
    if (this.#at < this.#pattern.length) throw new BadPattern()
    return part(0)
  }

  #add(state: State): number {
    return this.states.push(state) - 1
  }

  #alternatives(): Part {
    const branches = [this.#sequence()]
    while (this.#take('|')) branches.push(this.#sequence())
    if (branches.length === 1) return branches[0]!
    return (next) => this.#add({ kind: 'split', next: branches.map((branch) => branch(next)) })
  }

  #sequence(): Part {
    const parts: Part[] = []
    while (this.#at < this.#pattern.length && !')|'.includes(this.#pattern[this.#at]!))
      parts.push(this.#repeated())
    return (next) => parts.reduceRight((after, part) => part(after), next)
  }

  #repeated(): Part {
    let part = this.#atom()
    for (;;) {
      const inner = part
      if (this.#take('*')) part = (next) => this.#loop(inner, next).split
      else if (this.#take('+')) part = (next) => this.#loop(inner, next).body
      else if (this.#take('?')) part = (next) => this.#add({ kind: 'split', next: [inner(next), next] })
      else return part
    }
  }

  #loop(part: Part, next: number): { split: number; body: number } {
    const ways = [next]
    const split = this.#add({ kind: 'split', next: ways })
    const body = part(split)
    ways.push(body)
    return { split, body }
  }

  #atom(): Part {
    const character = this.#pattern[this.#at++]!
    if (character === '(') return this.#group()
    if (character === '^') return (next) => this.#add({ kind: 'start', next })
    if (character === '$') return (next) => this.#add({ kind: 'end', next })
    if ('*+?{'.includes(character)) throw new BadPattern()
    const test = character === '[' ? this.#class() : character === '\\' ? this.#escape() : plain(character)
    return (next) => this.#add({ kind: 'character', test, next })
  }

  #group(): Part {
    if (this.#take('?') && !this.#take(':')) throw new BadPattern()
    const part = this.#alternatives()
    if (!this.#take(')')) throw new BadPattern()
    return part
  }

  #escape(): Test {
    const character = this.#pattern[this.#at++]
    if (character === undefined) throw new BadPattern()
    const kind = /^[dwsDWS]$/.test(character) ? new RegExp(`^\\${character}$`) : null
    if (!kind && /[A-Za-z0-9]/.test(character)) throw new BadPattern()
    return kind ? (read) => kind.test(read) : (read) => read === character
  }

  #class(): Test {
    const negated = this.#take('^')
    const tests: Test[] = []
    for (let first = true; first || this.#pattern[this.#at] !== ']'; first = false) {
      const character = this.#pattern[this.#at++]
      if (character === undefined) throw new BadPattern()
      const last = this.#pattern[this.#at + 1]
      if (character === '\\') tests.push(this.#escape())
      else if (this.#pattern[this.#at] === '-' && last !== undefined && last !== ']') {
        this.#at += 2
        tests.push((read) => read >= character && read <= last)
      } else tests.push((read) => read === character)
    }
    this.#at++
    return (read) => tests.some((test) => test(read)) !== negated
  }

  #take(character: string): boolean {
    if (this.#pattern[this.#at] !== character) return false
    this.#at++
    return true
  }
}

const plain =
  (character: string): Test =>
  (read) =>
    character === '.' || read === character
