/**
 * One stage of a Dockerfile: an image that is made step by step. Each step asks first whether it was done before upon the
 * same image; only one that was not makes a layer, or runs a container.
 */
import type { ImageConfig } from '../engine/ports/images.ts'
import { commandOf, configure, defaultShell } from '../images/dockerfile/configure.ts'
import { parseTrigger, type Step } from '../images/dockerfile/dockerfile.ts'
import { type Escape, expand, type Scope } from '../images/dockerfile/words.ts'
import { type Building, cached, makeImage, type StepResult } from './building.ts'
import { copy } from './copy/copy.ts'
import { layerTar } from './copy/layer.ts'
import { planDirectory } from './copy/plan.ts'
import { runCommand } from './run.ts'
import { bytesOf, emptyTree, type FileTree, Overlay } from './tree.ts'

export interface Base {
  /** '' for `FROM scratch`. */
  readonly image: string
  readonly config: ImageConfig
}

/** Finds the files that `COPY --from` names: of another stage, or of an image. */
export type FindTree = (from: string) => Promise<FileTree>

export class StageBuild {
  readonly #building: Building
  readonly #escapeToken: Escape
  readonly #findTree: FindTree
  image: string
  config: ImageConfig
  author = ''
  /** A command of the base is not kept under a new entrypoint. */
  #commandIsOwn = false
  /** Of the image as it is now; null: not looked at yet. */
  #files: Overlay | null = null

  constructor(building: Building, base: Base, options: { escapeToken: Escape; findTree: FindTree }) {
    this.#building = building
    this.#escapeToken = options.escapeToken
    this.#findTree = options.findTree
    this.image = base.image
    this.config = withDefaultPath(base.config)
  }

  /** What the base hands on with ONBUILD is done first. */
  async runTriggers(): Promise<void> {
    const triggers = this.config.OnBuild ?? []
    if (triggers.length === 0) return
    this.config = { ...this.config, OnBuild: null }
    this.#building.output.say(
      `# Executing ${triggers.length} build trigger${triggers.length > 1 ? 's' : ''}\n`,
    )
    for (const trigger of triggers) await this.perform(parseTrigger(trigger))
  }

  async perform(step: Step): Promise<void> {
    switch (step.name) {
      case 'RUN':
        return this.#run(step)
      case 'COPY':
      case 'ADD':
        return this.#copy(step)
      case 'ARG':
        return this.#declare(step)
      case 'MAINTAINER':
        this.author = step.text
        return this.#onlyConfigure(this.config, `MAINTAINER ${step.text}`)
      case 'WORKDIR':
        return this.#enter(step)
      case 'ENTRYPOINT': {
        const { config, comment } = configure(this.config, step, this.scope)
        return this.#onlyConfigure(this.#commandIsOwn ? config : { ...config, Cmd: null }, comment)
      }
      case 'FROM':
        throw new Error('a stage has no FROM in it')
      default: {
        const { config, comment } = configure(this.config, step, this.scope)
        if (step.name === 'CMD') this.#commandIsOwn = true
        return this.#onlyConfigure(config, comment)
      }
    }
  }

  /** Variables that words of an instruction may name: the image's, then the arguments. */
  get scope(): Scope {
    const { Env } = this.config
    return { env: [...this.#building.args.inStage(Env), ...Env], escapeToken: this.#escapeToken }
  }

  async #onlyConfigure(config: ImageConfig, comment: string): Promise<void> {
    const step = this.#step(config, this.#nop(` ${comment}`))
    this.config = config
    this.image = (await cached(this.#building, step)) ?? (await makeImage(this.#building, step, null))
  }

  async #declare({ args }: Extract<Step, { name: 'ARG' }>): Promise<void> {
    const told: string[] = []
    for (const { key, value } of args) {
      const name = expand(key, this.scope)
      const given = value === null ? null : expand(value, this.scope)
      this.#building.args.declare(name, given)
      told.push(given === null ? name : `${name}=${given}`)
    }
    return this.#onlyConfigure(this.config, `ARG ${told.join(' ')}`)
  }

  /** The directory is made if it is missing. */
  async #enter(step: Extract<Step, { name: 'WORKDIR' }>): Promise<void> {
    const { config, comment } = configure(this.config, step, this.scope)
    const result = this.#step(config, this.#nop(comment))
    this.config = config
    const known = await cached(this.#building, result)
    if (known !== null) return this.#become(known)
    const entries = planDirectory(await this.#overlay(), bytesOf(config.WorkingDir))
    this.image = await makeImage(this.#building, result, entries.length > 0 ? layerTar(entries) : null)
  }

  async #copy(step: Extract<Step, { name: 'COPY' | 'ADD' }>): Promise<void> {
    const words = (word: string) => expand(word, this.scope)
    const command = {
      ...step,
      sources: step.sources.map(words),
      target: words(step.target),
      from: words(step.from),
      chown: words(step.chown),
      chmod: words(step.chmod),
    }
    const tree = command.from === '' ? this.#building.context : await this.#findTree(command.from)
    const copied = await copy(this.#building, command, { tree, workingDir: this.config.WorkingDir })
    const result = this.#step(this.config, this.#nop(copied.comment))
    const known = await cached(this.#building, result)
    if (known !== null) return this.#become(known)
    await using layer = await copied.layer(await this.#overlay(), () => this.#tree())
    this.image = await makeImage(this.#building, result, layer.content)
  }

  async #run(step: Extract<Step, { name: 'RUN' }>): Promise<void> {
    const { args } = this.#building
    const words = commandOf(step.command, this.config)
    const given = args.inStage(this.config.Env)
    const shown = args.shown(given)
    const prefix = shown.length > 0 ? [`|${shown.length}`, ...shown] : []
    const result = this.#step(this.config, [...prefix, ...words].join(' '))
    const known = await cached(this.#building, result)
    if (known !== null) return this.#become(known)
    const image = this.image !== '' ? this.image : await makeImage(this.#building, result, null)
    await runCommand(this.#building, { image, config: this.config, words, args: given }, async (layer) => {
      this.#become(await makeImage(this.#building, result, layer))
    })
  }

  #step(config: ImageConfig, createdBy: string): StepResult {
    return { parent: this.image, config, author: this.author, createdBy }
  }

  #nop(comment: string): string {
    return [...(this.config.Shell ?? defaultShell), `#(nop) ${comment}`].join(' ')
  }

  /** Its files are others than before. */
  #become(image: string): void {
    this.image = image
    this.#files = null
  }

  async #overlay(): Promise<Overlay> {
    this.#files ??= new Overlay(await this.#tree())
    return this.#files
  }

  async #tree(): Promise<FileTree> {
    const { images, pins } = this.#building
    return this.image === '' ? emptyTree : pins.use(await images.files(this.image))
  }
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const withDefaultPath = (config: ImageConfig): ImageConfig =>
  config.Env.some((entry) => entry.startsWith('PATH='))
    ? config
    : { ...config, Env: [...config.Env, defaultPath] }
