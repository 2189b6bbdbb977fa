/** A builder over real images and the records of a real store, with containers that only pretend to run. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import type { Container, ContainerRequest, LogChunk } from '../../engine/model.ts'
import { createImages, type Images } from '../../images/images.ts'
import { notFound } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { silentLog } from '../../lib/log.ts'
import { type TestEntry, tar, tarEnd } from '../../lib/support/tar.ts'
import { createBuildRecords } from '../../store/builds.ts'
import { openDatabase } from '../../store/database.ts'
import { createImageRecords } from '../../store/images.ts'
import { type Builder, createBuilder } from '../builder.ts'
import type { BuildContainers } from '../ports.ts'
import type { BuildRequest } from '../request.ts'

export const scope = { project: 'default' }

/** What a command does: answers its output, the layer it wrote and its exit code. */
export type Command = (
  request: ContainerRequest,
) => { out?: string; layer?: Buffer; code?: number } | 'for ever'

export class FakeContainers implements BuildContainers {
  readonly #commands = new Map<string, ReturnType<Command>>()
  readonly ran: ContainerRequest[] = []
  command: Command = () => ({})
  onStart = () => {}

  get left(): number {
    return this.#commands.size
  }

  async create(_scope: unknown, request: ContainerRequest) {
    const id = newId()
    this.ran.push(request)
    this.#commands.set(id, this.command(request))
    return { container: { id } as Container }
  }

  async attach(_scope: unknown, id: string) {
    const did = this.#commands.get(id)!
    const data = did === 'for ever' ? '' : (did.out ?? '')
    const output = async function* (): AsyncGenerator<LogChunk> {
      if (data) yield { stream: 'stdout', timeNano: 0n, data: Buffer.from(data) }
    }
    return { output: output(), async writeStdin() {}, async endStdin() {}, close() {} }
  }

  async start() {
    this.onStart()
  }

  async wait(_scope: unknown, id: string, _condition: unknown, { signal }: { signal: AbortSignal }) {
    const did = this.#commands.get(id)!
    const outcome =
      did === 'for ever'
        ? new Promise<never>((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true })
          })
        : Promise.resolve({ exitCode: did.code ?? 0, error: '' })
    return { outcome }
  }

  async remove(_scope: unknown, id: string) {
    if (!this.#commands.delete(id)) throw notFound('no_such_container', `No such container: ${id}`)
  }

  async openLayer(_scope: unknown, id: string) {
    const did = this.#commands.get(id)!
    const layer = did === 'for ever' ? tarEnd : (did.layer ?? tarEnd)
    return { read: () => Readable.from([layer]), async [Symbol.asyncDispose]() {} }
  }
}

export interface BuildFixture {
  readonly images: Images
  readonly containers: FakeContainers
  readonly builder: Builder
  /** Id of an image called `base` that holds a few files. */
  readonly base: string
  /** Builds of a Dockerfile and files beside it; answers all that was told, and the id of the image. */
  build(
    dockerfile: string,
    options?: { files?: TestEntry[]; signal?: AbortSignal } & Partial<BuildRequest>,
  ): Promise<{ text: string; id: string }>
  /** Names of block images. */
  blocks(): Promise<string[]>
  /** As the next daemon would begin. */
  reopen(): Promise<Builder>
  /** Files that should not stay. */
  temporary(): Promise<string[]>
}

export async function buildFixture(t: TestContext): Promise<BuildFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'hb-build-'))
  const database = await openDatabase(':memory:')
  const images = await createImages({
    directory: join(directory, 'images'),
    records: createImageRecords(database),
    log: silentLog,
    events() {},
    insecureRegistries: [],
  })
  const containers = new FakeContainers()
  const open = () =>
    createBuilder({
      images,
      containers,
      records: createBuildRecords(database),
      directory: join(directory, 'builds'),
      log: silentLog,
    })
  const builder = await open()
  t.after(async () => {
    await builder.close()
    await database.destroy()
    await rm(directory, { recursive: true, force: true })
  })
  const base = await images.import(scope, Readable.from([baseTar]), {
    reference: 'base',
    message: '',
    changes: ['ENV PATH=/bin', 'CMD ["old"]'],
    signal: AbortSignal.timeout(60_000),
  })
  return {
    ...{ images, containers, builder, base, reopen: open },
    async build(dockerfile, { files = [], signal = AbortSignal.timeout(60_000), ...more } = {}) {
      const context = tar({ name: 'Dockerfile', data: dockerfile }, ...files)
      const lines: Readonly<Record<string, unknown>>[] = []
      const progress = (line: Readonly<Record<string, unknown>>) => lines.push(line)
      await builder.build(scope, { ...plain, ...more }, Readable.from([context]), { progress, signal })
      const aux = lines.findLast((line) => line.aux)?.aux as { ID: string }
      return { text: lines.map(({ stream }) => stream ?? '').join(''), id: aux.ID }
    },
    blocks: () => readdir(join(directory, 'images', 'block')),
    async temporary() {
      const folders = ['contexts', 'containers'].map((name) => readdir(join(directory, 'builds', name)))
      return (await Promise.all(folders)).flat()
    },
  }
}

const baseTar = tar(
  { name: 'bin/', type: '5' },
  { name: 'bin/sh', data: 'a shell', mode: 0o755 },
  { name: 'etc/passwd', data: 'root:x:0:0::/:\nweb:x:33:44::/:\n' },
  { name: 'etc/group', data: 'root:x:0:\nweb:x:44:\nops:x:55:\n' },
  { name: 'lib', type: '2', link: 'usr/lib' },
  { name: 'usr/lib/', type: '5' },
)

export const plain: BuildRequest = {
  dockerfile: '',
  tags: [],
  quiet: false,
  noCache: false,
  pull: false,
  remove: true,
  forceRemove: false,
  target: '',
  args: {},
  labels: {},
  container: { image: '', env: [] } as unknown as ContainerRequest,
  credentials: {},
  id: '',
}
