/** What a build tells its client, in the classic builder's form. */
import { StringDecoder } from 'node:string_decoder'

type Tell = (line: Readonly<Record<string, unknown>>) => void

export class BuildOutput {
  readonly #tell: Tell
  readonly #decoders = { stdout: new StringDecoder(), stderr: new StringDecoder() }

  constructor(tell: Tell) {
    this.#tell = tell
  }

  say(text: string): void {
    this.#tell({ stream: text })
  }

  /** Output of a command; as dockerd, what it says on its standard error is red. */
  bytes(stream: 'stdout' | 'stderr', data: Buffer): void {
    const text = this.#decoders[stream].write(data)
    if (text === '') return
    this.say(stream === 'stderr' ? `\u001b[91m${text}\u001b[0m` : text)
  }

  /** For programs: the image's id. */
  image(id: string): void {
    this.#tell({ aux: { ID: id } })
  }

  /** The progress of a pull. */
  line(line: Readonly<Record<string, unknown>>): void {
    this.#tell(line)
  }
}
