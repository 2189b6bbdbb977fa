/**
 * Makes every image of the recipes and puts it into a registry's content directory, whole or not at all. Run as a program
 * by images.ts, under a lock: `node make.ts DIRECTORY`.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { mediaTypes } from '../../../src/images/registry/manifest.ts'
import { makeImage, startRegistry, type TestRegistry } from '../../../src/images/support/registry.ts'
import { Rollback } from '../../../src/lib/rollback.ts'
import { busyboxLayer, layerOf } from './layers.ts'
import { multiArchName, type Recipe, recipes } from './recipes.ts'
import { Roots } from './roots.ts'

const said = performance.now()
const say = (line: string) =>
  process.stderr.write(`[images ${((performance.now() - said) / 1000).toFixed(1).padStart(6)} s] ${line}\n`)

/** Speed before size: they are made to be pulled from loopback. */
const gzip = (bytes: Buffer) => gzipSync(bytes, { level: 3 })

async function makeAll(scratch: string, registry: TestRegistry): Promise<void> {
  const busybox = await busyboxLayer()
  say("debootstrap: Debian's smallest system")
  const roots = await Roots.in(scratch)
  const base = await roots.base()
  const debian = await layerOf(base, null, scratch)
  for (const recipe of recipes) {
    say(
      `${recipe.name}: ${recipe.packages === 'busybox' ? 'busybox' : recipe.packages.join(' ') || 'nothing more'}`,
    )
    await put(registry, recipe, await layersOf(recipe, { busybox, debian, base, roots, scratch }))
  }
  await putIndex(registry, busybox)
}

interface Ingredients {
  readonly busybox: Buffer
  readonly debian: Buffer
  readonly base: string
  readonly roots: Roots
  readonly scratch: string
}

async function layersOf(recipe: Recipe, from: Ingredients): Promise<Buffer[]> {
  const { packages, finish } = recipe
  if (packages === 'busybox') return [from.busybox]
  if (packages.length === 0) return [from.debian]
  const name = recipe.name.replace(':', '-')
  const root = await from.roots.withPackages(from.base, name, packages, finish)
  return [from.debian, await layerOf(root, from.base, from.scratch)]
}

async function put(registry: TestRegistry, recipe: Recipe, layers: Buffer[]): Promise<void> {
  const name = recipe.name.includes(':') ? recipe.name : `${recipe.name}:latest`
  const zstd = { compress: (tar: Buffer) => zstdCompressSync(tar), layerType: mediaTypes.ociLayerZstd }
  await registry.putImage(name, layers, {
    config: recipe.config,
    ...(recipe.compression === 'zstd' ? zstd : { compress: gzip }),
  })
}

/** The image of the other platform has an empty layer: whoever took it would see. */
async function putIndex(registry: TestRegistry, busybox: Buffer): Promise<void> {
  const [repository, tag] = multiArchName.split(':') as [string, string]
  const manifests = []
  for (const [architecture, layer] of [
    ['arm64', Buffer.alloc(1024)],
    ['amd64', busybox],
  ] as const) {
    const { manifest, blobs } = makeImage([layer], {
      architecture,
      config: recipes[0]!.config,
      compress: gzip,
    })
    for (const blob of blobs) await registry.putBlob(repository, blob)
    const text = JSON.stringify(manifest)
    const digest = await registry.putManifest(
      repository,
      `only-${architecture}`,
      manifest,
      manifest.mediaType,
    )
    const platform = { architecture, os: 'linux' }
    manifests.push({ mediaType: manifest.mediaType, digest, size: Buffer.byteLength(text), platform })
  }
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }
  await registry.putManifest(repository, tag, index, mediaTypes.ociIndex)
}

const directory = process.argv[2]!
if (!existsSync(directory)) {
  await using undo = new Rollback()
  await mkdir(dirname(directory), { recursive: true })
  const scratch = await mkdtemp(join(dirname(directory), `.${basename(directory)}-`))
  undo.add(() => rm(scratch, { recursive: true, force: true }))
  const content = join(scratch, 'content')
  await mkdir(content)
  const registry = await startRegistry({ after: (step) => undo.add(step as () => unknown) }, { content })
  await makeAll(scratch, registry)
  await rename(content, directory)
  say('done')
}
