/** All stages of a Dockerfile, one after the other: their bases, their steps, and what they take of one another. */
import { emptyConfig } from '../images/config.ts'
import type { Dockerfile, Stage } from '../images/dockerfile/dockerfile.ts'
import { expand, type Scope as Variables } from '../images/dockerfile/words.ts'
import { cancelled, invalid, kindOf } from '../lib/errors.ts'
import { shortId } from '../lib/ids.ts'
import type { Building } from './building.ts'
import type { RegistryCredentials } from './ports.ts'
import { type Base, StageBuild } from './stage.ts'
import { emptyTree, type FileTree } from './tree.ts'

const scratch = 'scratch'

/** Answers the id of the last stage's image. */
export async function buildStages(building: Building, file: Dockerfile): Promise<string> {
  return new Stages(building, file).build()
}

interface Done {
  readonly name: string
  readonly base: Base
}

class Stages {
  readonly #building: Building
  readonly #file: Dockerfile
  readonly #total: number
  readonly #done: Done[] = []
  readonly #trees = new Map<string, FileTree>()
  #step = 0

  constructor(building: Building, file: Dockerfile) {
    this.#building = building
    this.#file = file
    this.#total = file.stages.reduce(
      (sum, { steps }) => sum + steps.length,
      file.args.length + file.stages.length,
    )
  }

  async build(): Promise<string> {
    const { args } = this.#building
    for (const { args: pairs, source } of this.#file.args) {
      this.#tellStep(source)
      for (const { key, value } of pairs) {
        args.declareGlobal(
          expand(key, this.#variables),
          value === null ? null : expand(value, this.#variables),
        )
      }
    }
    for (const stage of this.#file.stages) await this.#stage(stage)
    const { image } = this.#done.at(-1)!.base
    if (image === '') throw invalid('no_image', 'No image was generated. Is your Dockerfile empty?')
    return image
  }

  get #variables(): Variables {
    return { env: this.#building.args.global(), escapeToken: this.#file.escapeToken }
  }

  #tellStep(source: string): void {
    this.#building.output.say(`Step ${++this.#step}/${this.#total} : ${source}\n`)
  }

  async #stage({ from, steps }: Stage): Promise<void> {
    const { output, args, signal } = this.#building
    this.#tellStep(from.source)
    args.beginStage()
    checkPlatform(expand(from.platform, this.#variables))
    const base = await this.#base(expand(from.base, this.#variables), from.base)
    const stage = new StageBuild(this.#building, base, {
      escapeToken: this.#file.escapeToken,
      findTree: (name) => this.#treeOf(name),
    })
    await stage.runTriggers()
    output.say(` ---> ${shown(stage.image)}\n`)
    for (const step of steps) {
      if (signal.aborted) throw cancelled('build_cancelled', 'Build cancelled')
      this.#tellStep(step.source)
      await stage.perform(step)
      output.say(` ---> ${shown(stage.image)}\n`)
    }
    if (stage.image !== '') output.image(stage.image)
    this.#done.push({ name: from.stage, base: { image: stage.image, config: stage.config } })
  }

  async #base(name: string, written: string): Promise<Base> {
    if (name === '') throw invalid('blank_base', `base name (${written}) should not be blank`)
    if (name === scratch) return { image: '', config: emptyConfig }
    const stage = this.#done.findLast((done) => done.name !== '' && done.name === name.toLowerCase())
    return stage?.base ?? this.#image(name, { pull: this.#building.request.pull })
  }

  /** An image of this place, or of a registry. */
  async #image(name: string, { pull }: { readonly pull: boolean }): Promise<Base> {
    const { images, scope, pins } = this.#building
    const resolve = async () => {
      const { id, config } = await images.resolve(scope.project, name)
      pins.use(images.pin(id))
      return { image: id, config }
    }
    if (!pull || isId(name)) {
      try {
        return await resolve()
      } catch (error) {
        if (kindOf(error) !== 'not_found') throw error
      }
    }
    await this.#pull(name)
    return resolve()
  }

  async #pull(name: string): Promise<void> {
    const { images, scope, output, signal, request } = this.#building
    const credentials = credentialsFor(name, request.credentials)
    await images.pull(scope, withTag(name), {
      ...(credentials ? { credentials } : {}),
      progress: (line) => output.line(line),
      signal,
    })
  }

  /** Of a stage that is done, by name or number, or of an image. */
  async #treeOf(name: string): Promise<FileTree> {
    const { images, pins } = this.#building
    const { image } = this.#stageOf(name) ?? (await this.#image(name, { pull: false }))
    if (image === '') return emptyTree
    const known = this.#trees.get(image)
    if (known) return known
    const tree = pins.use(await images.files(image))
    this.#trees.set(image, tree)
    return tree
  }

  #stageOf(name: string): Base | null {
    const named = this.#done.findLast((done) => done.name !== '' && done.name === name.toLowerCase())
    if (named) return named.base
    if (!/^\d{1,9}$/.test(name)) return null
    const index = Number(name)
    if (index === this.#done.length) {
      throw invalid('bad_from', `invalid from flag value ${name}: ${name} refers to current build stage`)
    }
    const stage = this.#done[index]
    if (!stage) throw invalid('bad_from', `invalid from flag value ${name}: index out of bounds`)
    return stage.base
  }
}

const shown = (id: string) => (id === '' ? '' : shortId(id.slice('sha256:'.length)))

const isId = (name: string) => /^(sha256:)?[0-9a-f]{64}$/.test(name)

/** Without a tag, not all are meant. */
function withTag(name: string): string {
  return name.includes('@') || /:[^/]+$/.test(name) ? name : `${name}:latest`
}

const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['amd64', 'x86_64', 'x86-64'],
  arm64: ['arm64', 'aarch64'],
}

function checkPlatform(platform: string): void {
  if (platform === '') return
  const [os, architecture] = platform.toLowerCase().split('/')
  const isOurs =
    os === 'linux' && (architecture === undefined || architectures[process.arch]?.includes(architecture))
  if (isOurs) return
  throw invalid(
    'wrong_platform',
    `no match for platform ${platform}: this machine runs linux/${architectures[process.arch]?.[0] ?? process.arch}`,
  )
}

/** Clients name registries with and without the scheme, and Docker Hub by its old address. */
export function credentialsFor(
  name: string,
  all: Readonly<Record<string, RegistryCredentials>>,
): RegistryCredentials | undefined {
  const first = name.split('/')[0]!
  const isRegistry = name.includes('/') && /[.:]|^localhost$/.test(first)
  const wanted = isRegistry && first !== 'docker.io' ? first : 'index.docker.io'
  const hostOf = (address: string) => address.replace(/^https?:\/\//, '').split('/')[0]!
  const key = Object.keys(all).find((address) => hostOf(address) === wanted || hostOf(address) === first)
  return key === undefined ? undefined : all[key]
}
