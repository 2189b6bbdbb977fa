/**
 * The arguments of a build: given by the client, declared by ARG. One that is not declared has no value, but for those of
 * proxies, which are always there and not told of in the history.
 */

const predeclared = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
])

export class BuildArgs {
  readonly #given: Readonly<Record<string, string | null>>
  /** Before the first FROM, with their defaults. */
  readonly #global = new Map<string, string | null>()
  /** In the stage. */
  #declared = new Map<string, string | null>()
  readonly #named = new Set<string>()

  constructor(given: Readonly<Record<string, string | null>>) {
    this.#given = given
  }

  declareGlobal(name: string, value: string | null): void {
    this.#named.add(name)
    this.#global.set(name, value)
  }

  declare(name: string, value: string | null): void {
    this.#named.add(name)
    this.#declared.set(name, value)
  }

  beginStage(): void {
    this.#declared = new Map()
  }

  /** For FROM and for ARG before it. */
  global(): string[] {
    return this.#values(this.#global)
  }

  /** In the stage, but for those that the environment has already. */
  inStage(env: readonly string[]): string[] {
    const names = new Set(env.map((entry) => entry.split('=', 1)[0]!))
    return this.#values(this.#declared).filter((entry) => !names.has(entry.split('=', 1)[0]!))
  }

  /** Of those, what the history shall name. */
  shown(entries: readonly string[]): string[] {
    return entries
      .filter((entry) => {
        const name = entry.split('=', 1)[0]!
        return this.#declared.has(name) || !predeclared.includes(name)
      })
      .sort()
  }

  /** Names that were given and nowhere declared. */
  unused(): string[] {
    return Object.keys(this.#given)
      .filter((name) => !this.#named.has(name) && !predeclared.includes(name))
      .sort()
  }

  #values(declared: ReadonlyMap<string, string | null>): string[] {
    const names = new Set([...declared.keys(), ...predeclared])
    return [...names].flatMap((name) => {
      const value = this.#given[name] ?? declared.get(name) ?? this.#inherited(name, declared)
      return value === null || value === undefined ? [] : [`${name}=${value}`]
    })
  }

  /** `ARG X` in a stage takes up what stands before the first FROM. */
  #inherited(name: string, declared: ReadonlyMap<string, string | null>): string | null {
    return declared.has(name) ? (this.#global.get(name) ?? null) : null
  }
}
