/** What a commit says of the new image's configuration: a container's, of which an image keeps a part. */
import { z } from 'zod'
import type { ImageConfig } from '../../../engine/ports/images.ts'
import { command, map, set, strings, stringsOrNull, text } from '../fields.ts'
import { healthcheck } from './containers.schema.ts'

const config = z.looseObject({
  User: text,
  ExposedPorts: set,
  Env: strings,
  Cmd: command,
  Entrypoint: command,
  Volumes: set,
  WorkingDir: text,
  Labels: map,
  StopSignal: text,
  Shell: stringsOrNull,
  OnBuild: stringsOrNull,
  Healthcheck: healthcheck,
})

/** Clients that want nothing else send `null`, or no body. */
export const commitBody = config.nullish().transform((value) => value ?? null)

const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]))

export function imageConfigOf(body: z.output<typeof config>): ImageConfig {
  const { ExposedPorts, Volumes, Healthcheck, ...rest } = body
  return {
    User: rest.User,
    ExposedPorts: keys(ExposedPorts),
    Env: rest.Env,
    Entrypoint: rest.Entrypoint,
    Cmd: rest.Cmd,
    Volumes: keys(Volumes),
    WorkingDir: rest.WorkingDir,
    Labels: rest.Labels,
    StopSignal: rest.StopSignal,
    Shell: rest.Shell,
    OnBuild: rest.OnBuild,
    Healthcheck: Healthcheck
      ? {
          Test: Healthcheck.Test,
          Interval: Healthcheck.Interval,
          Timeout: Healthcheck.Timeout,
          StartPeriod: Healthcheck.StartPeriod,
          StartInterval: Healthcheck.StartInterval,
          Retries: Healthcheck.Retries,
        }
      : null,
  }
}
