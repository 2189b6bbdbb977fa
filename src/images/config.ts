/** The configuration of an image: JSON from anywhere, read into what the engine and the front door need. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { ImageConfig } from '../engine/ports/images.ts'
import { invalid } from '../lib/errors.ts'
import { readJson } from './json.ts'
import { configBytesMax, layersMax } from './limits.ts'

export interface History {
  readonly createdAt: Date | null
  readonly createdBy: string
  readonly comment: string
  readonly empty: boolean
}

export interface ImageFile {
  readonly config: ImageConfig
  readonly createdAt: Date | null
  readonly architecture: string
  readonly os: string
  readonly variant: string
  readonly author: string
  readonly comment: string
  readonly dockerVersion: string
  readonly diffIds: readonly string[]
  readonly history: readonly History[]
}

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '')
const texts = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? null)
const keys = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => Object.fromEntries(Object.keys(value ?? {}).map((key) => [key, {}])))
const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {})
const nanos = z.number().int().optional()
const time = z
  .string()
  .nullish()
  .transform((value) => {
    const date = new Date(value ?? '')
    return Number.isNaN(date.getTime()) ? null : date
  })

const configSchema = z.looseObject({
  User: text,
  ExposedPorts: keys,
  Env: texts,
  Entrypoint: texts,
  Cmd: texts,
  Volumes: keys,
  WorkingDir: text,
  Labels: labels,
  StopSignal: text,
  Shell: texts,
  OnBuild: texts,
  Healthcheck: z
    .looseObject({
      Test: z.array(z.string()).optional(),
      Interval: nanos,
      Timeout: nanos,
      StartPeriod: nanos,
      StartInterval: nanos,
      Retries: nanos,
    })
    .nullish(),
})

const fileSchema = z.looseObject({
  config: configSchema.nullish(),
  created: time,
  architecture: text,
  os: text,
  variant: text,
  author: text,
  comment: text,
  docker_version: text,
  rootfs: z.looseObject({
    diff_ids: z
      .array(z.string().regex(/^sha256:[0-9a-f]{64}$/))
      .max(layersMax)
      .nullish(),
  }),
  history: z
    .array(
      z.looseObject({ created: time, created_by: text, comment: text, empty_layer: z.boolean().nullish() }),
    )
    .max(10_000)
    .nullish(),
})

export const idOf = (config: string | Buffer): string =>
  `sha256:${createHash('sha256').update(config).digest('hex')}`

/** The text of a configuration; rejects with kind `invalid` what is too large or not UTF-8. */
export function decodeConfig(bytes: Buffer): string {
  if (bytes.length > configBytesMax) throw bad(`it has more than ${configBytesMax} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw bad('it is not UTF-8')
  }
}

export function readConfig(json: string): ImageFile {
  const file = readJson(json, fileSchema, bad)
  return {
    config: toConfig(file.config ?? configSchema.parse({})),
    createdAt: file.created,
    architecture: file.architecture,
    os: file.os,
    variant: file.variant,
    author: file.author,
    comment: file.comment,
    dockerVersion: file.docker_version,
    diffIds: file.rootfs.diff_ids ?? [],
    history: (file.history ?? []).map((step) => ({
      createdAt: step.created,
      createdBy: step.created_by,
      comment: step.comment,
      empty: step.empty_layer ?? false,
    })),
  }
}

function toConfig(config: z.output<typeof configSchema>): ImageConfig {
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = config.Healthcheck ?? {}
  return {
    User: config.User,
    ExposedPorts: config.ExposedPorts,
    Env: config.Env ?? [],
    Entrypoint: config.Entrypoint,
    Cmd: config.Cmd,
    Volumes: config.Volumes,
    WorkingDir: config.WorkingDir,
    Labels: config.Labels,
    StopSignal: config.StopSignal,
    Shell: config.Shell,
    OnBuild: config.OnBuild,
    Healthcheck: config.Healthcheck
      ? {
          ...(Test === undefined ? {} : { Test }),
          ...(Interval === undefined ? {} : { Interval }),
          ...(Timeout === undefined ? {} : { Timeout }),
          ...(StartPeriod === undefined ? {} : { StartPeriod }),
          ...(StartInterval === undefined ? {} : { StartInterval }),
          ...(Retries === undefined ? {} : { Retries }),
        }
      : null,
  }
}

export const emptyConfig: ImageConfig = toConfig(configSchema.parse({}))

/** The configuration of an image of one layer that has no history before it. */
export function writeConfig(image: {
  config: ImageConfig
  diffId: string
  comment: string
  createdAt: Date
}): string {
  const created = image.createdAt.toISOString()
  return JSON.stringify({
    architecture: 'amd64',
    comment: image.comment,
    config: image.config,
    created,
    history: [{ created, comment: image.comment }],
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [image.diffId] },
  })
}

export interface ChildConfig {
  readonly config: ImageConfig
  /** null: it adds no layer. */
  readonly diffId: string | null
  readonly author: string
  readonly comment: string
  readonly createdBy: string
  readonly createdAt: Date
}

const fromScratch = { config: '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}' }

/** The configuration of an image on top of another, whose history it goes on with. */
export function writeChildConfig(
  parent: { readonly config: string } | null,
  { config, diffId, author, comment, createdBy, createdAt }: ChildConfig,
): string {
  const below = (parent ?? fromScratch).config
  const { architecture, os, variant, diffIds } = readConfig(below)
  // As it stands there: what a line of it says beyond what is read here is kept.
  const { history } = JSON.parse(below) as { history?: unknown[] | null }
  const created = createdAt.toISOString()
  const step = {
    created,
    ...(createdBy ? { created_by: createdBy } : {}),
    ...(author ? { author } : {}),
    ...(comment ? { comment } : {}),
    ...(diffId === null ? { empty_layer: true } : {}),
  }
  return JSON.stringify({
    architecture: architecture || 'amd64',
    ...(variant ? { variant } : {}),
    ...(author ? { author } : {}),
    ...(comment ? { comment } : {}),
    config,
    created,
    history: [...(history ?? []), step],
    os: os || 'linux',
    rootfs: { type: 'layers', diff_ids: [...diffIds, ...(diffId === null ? [] : [diffId])] },
  })
}

const bad = (why: string) => invalid('bad_config', `the configuration of the image cannot be used: ${why}`)
