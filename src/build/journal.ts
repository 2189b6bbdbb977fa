/**
 * Which containers run for a build: a file for each, written before the container is started. A build ends with its daemon, and
 * what it had running then is taken away by the next one.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export class Journal {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async began(project: string, container: string): Promise<void> {
    await writeFile(join(this.#directory, container), project, { mode: 0o600, flush: true })
  }

  async ended(container: string): Promise<void> {
    await rm(join(this.#directory, container), { force: true })
  }

  /** Makes the directory; answers what an earlier daemon did not end. */
  async start(): Promise<readonly { readonly project: string; readonly container: string }[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const left: { project: string; container: string }[] = []
    for (const container of await readdir(this.#directory)) {
      left.push({ project: await readFile(join(this.#directory, container), 'utf8'), container })
    }
    return left
  }
}
