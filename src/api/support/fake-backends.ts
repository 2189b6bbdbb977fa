/** The whole cloud in memory: containers, images, events and facts. */

import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { BuildStep } from '../../build/ports.ts'
import type { BuildOptions, BuildRequest } from '../../build/request.ts'
import type { EngineEvent } from '../../engine/model.ts'
import { conflict, invalid, notFound, unauthorized } from '../../lib/errors.ts'
import type {
  Backends,
  BuildsBackend,
  EventsBackend,
  ImageDetails,
  ImagesBackend,
  SystemBackend,
} from '../docker/backends.ts'
import { FakeContainers } from './fake-containers.ts'
import { FakeNetworks } from './fake-networks.ts'
import { FakeVolumes } from './fake-volumes.ts'
import { fakeImage } from './samples.ts'

export class FakeEvents implements EventsBackend {
  readonly past: EngineEvent[] = []
  #wake: (() => void)[] = []

  readonly tell = (event: Omit<EngineEvent, 'timeNano'>): void => {
    this.past.push({ ...event, timeNano: BigInt(Date.now()) * 1_000_000n + BigInt(this.past.length) })
    for (const wake of this.#wake.splice(0)) wake()
  }

  async *subscribe(
    _scope: unknown,
    options: { sinceNano: bigint | null; untilNano: bigint | null; signal: AbortSignal },
  ): AsyncIterable<EngineEvent> {
    let at = options.sinceNano === null ? this.past.length : 0
    while (!options.signal.aborted) {
      for (; at < this.past.length; at++) yield this.past[at]!
      if (options.untilNano !== null) return
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve)
        options.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

export class FakeImages implements ImagesBackend {
  readonly images: ImageDetails[] = [fakeImage(1, ['busybox:latest']), fakeImage(2, ['localhost:5000/a/b:1'])]
  readonly pulls: unknown[] = []
  readonly imported: unknown[] = []
  /** Lets a pull wait until its client has gone. */
  pullAborted: Promise<void> | null = null

  async list() {
    return this.images.map((image) => ({ ...image, hasChildren: false }))
  }

  async get(_scope: unknown, ref: string) {
    const named = familiar(ref)
    const found = this.images.find(
      ({ id, tags }) => id === ref || tags.includes(named) || id.slice(7).startsWith(ref),
    )
    if (found) return found
    throw notFound('no_such_image', `No such image: ${named}`)
  }

  async pull(_scope: unknown, reference: string, options: Parameters<ImagesBackend['pull']>[2]) {
    this.pulls.push({ reference, ...options })
    const name = familiar(reference)
    if (name.startsWith('missing')) throw notFound('no_manifest', `manifest for ${reference} not found`)
    options.progress({ status: `Pulling from library/${reference.split(':')[0]}`, id: 'latest' })
    if (name.startsWith('breaks')) throw conflict('broken', 'the layer is broken')
    if (name.startsWith('endless')) {
      this.pullAborted = new Promise((resolve) => options.signal.addEventListener('abort', () => resolve()))
      await this.pullAborted
      throw options.signal.reason
    }
    options.progress({ status: 'Downloading', id: 'abc', progressDetail: { current: 5, total: 10 } })
    options.progress({ status: 'Pull complete', id: 'abc', progressDetail: {} })
    options.progress({ status: `Status: Downloaded newer image for ${reference}` })
    this.images.push(fakeImage(3, [familiar(reference)]))
  }

  async push(_scope: unknown, reference: string, options: Parameters<ImagesBackend['push']>[2]) {
    options.progress({ status: `The push refers to repository [${reference}]` })
  }

  async import(_scope: unknown, source: Readable, options: Parameters<ImagesBackend['import']>[2]) {
    this.imported.push({ ...options, content: await text(source) })
    return fakeImage(4, []).id
  }

  async load(_scope: unknown, source: Readable, options: Parameters<ImagesBackend['load']>[2]) {
    const content = await text(source)
    options.progress({ status: 'Loading layer', progressDetail: { current: content.length } })
    options.progress({ stream: `Loaded image: ${content.slice(0, 20)}\n` })
  }

  async save(_scope: unknown, refs: readonly string[]) {
    for (const ref of refs) await this.get(null, ref)
    return Readable.from([Buffer.from(`archive of ${refs.join(' and ')}`)])
  }

  async tag(_scope: unknown, ref: string, target: string) {
    const image = await this.get(null, ref)
    this.images[this.images.indexOf(image)] = { ...image, tags: [...image.tags, target] }
  }

  async remove(_scope: unknown, ref: string, options: Parameters<ImagesBackend['remove']>[2]) {
    const image = await this.get(null, ref)
    const [user] = options.usedBy(image.id)
    if (user && !options.force) {
      throw conflict(
        'in_use',
        `conflict: unable to remove repository reference "${ref}": container ${user.id} uses it`,
      )
    }
    this.images.splice(this.images.indexOf(image), 1)
    return [...image.tags.map((untagged) => ({ untagged })), { deleted: image.id }]
  }

  async prune(_scope: unknown, options: Parameters<ImagesBackend['prune']>[1]) {
    const gone = this.images.filter((image) => options.matches(image) && !options.used(image.id))
    const kept = gone.filter(({ tags }) => !options.danglingOnly || tags.length === 0)
    return { removed: kept.map(({ id }) => ({ deleted: id })), bytes: kept.length * 1000 }
  }

  async inspectDistribution(_scope: unknown, reference: string) {
    if (reference.includes('nosuch'))
      throw notFound('manifest_unknown', `manifest for ${reference} not found`)
    const platforms = [{ os: 'linux', architecture: 'arm64', variant: 'v8' }]
    return {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      digest: `sha256:${'d'.repeat(64)}`,
      bytes: 7,
      platforms,
    }
  }

  async login(credentials: Parameters<ImagesBackend['login']>[0]) {
    if (credentials.password !== 'right')
      throw unauthorized('bad_login', 'unauthorized: incorrect username or password')
    return { status: 'Login Succeeded', identityToken: '' }
  }

  async usage() {
    return { bytes: 3000, images: new Map<string, { bytes: number; shared: number }>() }
  }
}

/** `docker.io/library/x` → `x:latest`, as `docker images` shows it. */
function familiar(name: string): string {
  const short = name.replace(/^docker\.io\/(library\/)?/, '')
  return short.includes(':') ? short : `${short}:latest`
}

export const fakeSystem: SystemBackend = {
  async info() {
    return {
      id: 'fake-id',
      name: 'fake-host',
      hypervisor: 'QEMU 7.2',
      accelerator: 'tcg' as const,
      warnings: [],
      rootDir: '/var/lib/hummingbird',
      kernelVersion: '6.1.0',
      operatingSystem: 'Debian GNU/Linux 12',
      cpus: 2,
      memoryBytes: 4_000_000_000,
      sizes: [{ name: 's1', vcpus: 1, memoryMiB: 128 }],
    }
  },
}

export class FakeBuilds implements BuildsBackend {
  readonly built: { request: BuildRequest; content: string }[] = []
  readonly cancelled: string[] = []
  known: BuildStep[] = []

  async build(_scope: unknown, request: BuildRequest, source: Readable, options: BuildOptions) {
    this.built.push({ request, content: await text(source) })
    if (request.target === 'nosuch')
      throw invalid('no_target', 'failed to reach build target nosuch in Dockerfile')
    options.progress({ stream: 'Step 1/1 : FROM busybox\n' })
    if (request.target !== 'fails') return
    throw invalid('build_command_failed', "The command 'x' returned a non-zero code: 3", {
      details: { exitCode: 3 },
    })
  }

  cancel(_scope: unknown, id: string) {
    this.cancelled.push(id)
  }

  async steps() {
    return this.known
  }

  async prune(_scope: unknown, picks: (step: BuildStep) => boolean) {
    const gone = this.known.filter(picks)
    this.known = this.known.filter((step) => !gone.includes(step))
    return gone.map(({ image }) => image)
  }
}

export interface FakeCloud extends Backends {
  readonly builds: FakeBuilds
  readonly containers: FakeContainers
  readonly images: FakeImages
  readonly events: FakeEvents
  readonly volumes: FakeVolumes
  readonly networks: FakeNetworks
}

export function fakeCloud(): FakeCloud {
  const events = new FakeEvents()
  const images = new FakeImages()
  const containers = new FakeContainers(events.tell, (name) =>
    images.images.some(({ tags, id }) => tags.includes(familiar(name)) || id === name),
  )
  return {
    ...{ containers, images, events, builds: new FakeBuilds(), system: fakeSystem },
    ...{ networks: new FakeNetworks(), volumes: new FakeVolumes() },
  }
}
