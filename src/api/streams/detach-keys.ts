/**
 * The keys that take a client off a terminal without ending the process: `ctrl-p,ctrl-q` in Docker's text form. They are
 * recognised across chunks; what looks like their beginning is held back until it is known not to be them.
 */
import { invalid } from '../../lib/errors.ts'

export const defaultDetachKeys: Buffer = Buffer.from([16, 17])
const keysMax = 32

/** Empty text: the default. Throws kind `invalid` in dockerd's words. */
export function parseDetachKeys(text: string): Buffer {
  if (text === '') return defaultDetachKeys
  const keys = text.split(',')
  const codes = keys.map(keyCode)
  if (keys.length > keysMax || codes.includes(undefined)) {
    throw invalid('bad_detach_keys', `Invalid detach keys (${text}) provided`)
  }
  return Buffer.from(codes as number[])
}

/** `ctrl-@` is 0, `ctrl-a` 1, … `ctrl-_` 31; a single character is itself. */
function keyCode(key: string): number | undefined {
  if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0)
  const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key.toLowerCase())?.[1]
  return control === undefined ? undefined : control.toUpperCase().charCodeAt(0) - 64
}

export class DetachScanner {
  readonly #keys: Buffer
  /** How many of the keys the bytes held back are. */
  #held = 0

  constructor(keys: Buffer) {
    this.#keys = keys
  }

  /** What may go to the process; nothing after the keys does. */
  scan(chunk: Buffer): { pass: Buffer; detached: boolean } {
    const pass: number[] = []
    for (const byte of chunk) {
      while (this.#held > 0 && byte !== this.#keys[this.#held]) pass.push(...this.#release())
      if (byte !== this.#keys[this.#held]) pass.push(byte)
      else if (++this.#held === this.#keys.length) {
        this.#held = 0
        return { pass: Buffer.from(pass), detached: true }
      }
    }
    return { pass: Buffer.from(pass), detached: false }
  }

  /** What is still held back when the input ends. */
  flush(): Buffer {
    const rest = this.#keys.subarray(0, this.#held)
    this.#held = 0
    return rest
  }

  /** Gives up the fewest bytes so that the rest is again a beginning of the keys. */
  #release(): Buffer {
    const held = this.#held
    do this.#held--
    while (
      this.#held > 0 &&
      !this.#keys.subarray(held - this.#held, held).equals(this.#keys.subarray(0, this.#held))
    )
    return this.#keys.subarray(0, held - this.#held)
  }
}
