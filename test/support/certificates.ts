/** Certificates made with openssl, good and bad, in a directory. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
const newKey = (file: string) => [
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
  ...['-keyout', file],
]

/** NAME.pem and NAME-key.pem, below `directory`. */
export class Authority {
  readonly #directory: string
  readonly #name: string

  constructor(directory: string, name: string) {
    this.#directory = directory
    this.#name = name
    const subject = ['-days', '2', '-subj', `/CN=${name}`]
    openssl('req', '-x509', ...newKey(this.#path(`${name}-key`)), '-out', this.#path(name), ...subject)
  }

  sign(name: string, usage: 'serverAuth' | 'clientAuth', days = 1): void {
    const request = this.#path(`${name}-request`)
    const extensions = this.#path(`${name}-extensions`)
    writeFileSync(extensions, `extendedKeyUsage=${usage}\nsubjectAltName=IP:127.0.0.1\n`)
    openssl('req', ...newKey(this.#path(`${name}-key`)), '-out', request, '-subj', `/CN=${name}`)
    openssl(
      ...['x509', '-req', '-in', request, '-out', this.#path(name), '-days', String(days)],
      ...['-CA', this.#path(this.#name), '-CAkey', this.#path(`${this.#name}-key`), '-CAcreateserial'],
      ...['-extfile', extensions],
    )
  }

  #path(name: string): string {
    return join(this.#directory, `${name}.pem`)
  }
}
