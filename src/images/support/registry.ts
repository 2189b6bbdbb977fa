/** Debian's docker-registry, one for each test that wants it, on a free port of loopback. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { until } from '../../lib/deadline.ts'
import { run } from '../../lib/spawn.ts'
import { mediaTypes } from '../registry/manifest.ts'

export const sha256 = (bytes: Buffer | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

export interface TestRegistry {
  /** `localhost:PORT` */
  readonly host: string
  readonly port: number
  readonly directory: string
  putBlob(repository: string, bytes: Buffer): Promise<string>
  /** Answers the digest. */
  putManifest(repository: string, tag: string, manifest: object, mediaType: string): Promise<string>
  /** Layers as tars; compressed with gzip unless it is said otherwise. */
  putImage(name: string, layers: Buffer[], options?: ImageOptions): Promise<TestImage>
}

export interface ImageOptions {
  config?: object
  compress?: (tar: Buffer) => Buffer
  layerType?: string
  diffIds?: string[]
  architecture?: string
}

export interface TestImage {
  readonly digest: string
  readonly id: string
  readonly size: number
  readonly layers: readonly string[]
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export interface RegistryOptions {
  readonly password?: [user: string, password: string]
  /** Where its content is, and stays; otherwise it has a directory of its own that goes with it. */
  readonly content?: string
  /** So that several can serve the same content. */
  readonly readOnly?: boolean
}

export async function startRegistry(
  t: Pick<TestContext, 'after'>,
  options: RegistryOptions = {},
): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'hb-registry-'))
  const port = await freePort()
  const auth = options.password ? await writePassword(directory, ...options.password) : ''
  await writeFile(
    join(directory, 'config.yml'),
    `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${options.content ?? `${directory}/data`} }
  delete: { enabled: true }
  maintenance: { readonly: { enabled: ${options.readOnly ?? false} } }
http: { addr: '127.0.0.1:${port}' }
${auth}`,
  )
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' })
  t.after(async () => {
    await stop(child)
    await rm(directory, { recursive: true, force: true })
  })
  await until('the registry answers', async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).status > 0, {
    deadlineMs: 10_000,
  })
  return testRegistry(port, directory)
}

async function writePassword(directory: string, user: string, password: string): Promise<string> {
  const { stdout } = await run('python3', [
    '-c',
    'import crypt,sys; print(crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))',
    password,
  ])
  await writeFile(join(directory, 'htpasswd'), `${user}:${stdout.trim().replace(/^\$2b\$/, '$2y$')}\n`)
  return `auth: { htpasswd: { realm: test, path: ${directory}/htpasswd } }`
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

function testRegistry(port: number, directory: string): TestRegistry {
  const base = `http://127.0.0.1:${port}/v2`
  const registry: TestRegistry = {
    host: `localhost:${port}`,
    port,
    directory,
    async putBlob(repository, bytes) {
      const started = await fetch(`${base}/${repository}/blobs/uploads/`, { method: 'POST' })
      const location = new URL(started.headers.get('location')!, base)
      location.searchParams.set('digest', sha256(bytes))
      const { status } = await fetch(location, {
        method: 'PUT',
        body: new Uint8Array(bytes),
        headers: { 'content-type': 'application/octet-stream' },
      })
      if (status !== 201) throw new Error(`the registry answered ${status} to a blob`)
      return sha256(bytes)
    },
    async putManifest(repository, tag, manifest, mediaType) {
      const body = JSON.stringify(manifest)
      const answer = await fetch(`${base}/${repository}/manifests/${tag}`, {
        method: 'PUT',
        body,
        headers: { 'content-type': mediaType },
      })
      if (answer.status !== 201)
        throw new Error(`the registry answered ${answer.status} to a manifest: ${await answer.text()}`)
      return sha256(body)
    },
    async putImage(name, layers, options = {}) {
      const [repository, tag] = name.split(':') as [string, string]
      const { manifest, blobs, id } = makeImage(layers, options)
      for (const blob of blobs) await registry.putBlob(repository, blob)
      const digest = await registry.putManifest(repository, tag, manifest, mediaTypes.dockerManifest)
      return {
        digest,
        id,
        size: JSON.stringify(manifest).length,
        layers: manifest.layers.map((layer) => layer.digest),
      }
    },
  }
  return registry
}

/** Everything of an image: its manifest, and its blobs, the configuration last. */
export function makeImage(layers: Buffer[], options: ImageOptions = {}) {
  const compressed = layers.map(options.compress ?? ((tar) => gzipSync(tar)))
  const config = Buffer.from(
    JSON.stringify({
      architecture: options.architecture ?? 'amd64',
      os: 'linux',
      created: '2024-01-02T03:04:05Z',
      config: options.config ?? { Cmd: ['/bin/sh'] },
      rootfs: { type: 'layers', diff_ids: options.diffIds ?? layers.map((tar) => sha256(tar)) },
      history: layers.map((_, i) => ({ created: '2024-01-02T03:04:05Z', created_by: `step ${i}` })),
    }),
  )
  const describe = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    size: bytes.length,
    digest: sha256(bytes),
  })
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.dockerManifest as string,
    config: describe(config, mediaTypes.dockerConfig),
    layers: compressed.map((bytes) => describe(bytes, options.layerType ?? mediaTypes.dockerLayerGzip)),
  }
  return { manifest, config, blobs: [...compressed, config], id: sha256(config) }
}
