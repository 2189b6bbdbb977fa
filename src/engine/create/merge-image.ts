/** What the image says and the request does not: command, environment, labels and the rest, by Docker's rules. */
import { invalid } from '../../lib/errors.ts'
import type { ContainerRequest, HealthCheck, HealthCheckRequest } from '../model.ts'
import type { ImageConfig } from '../ports/images.ts'

type Command = { readonly cmd: readonly string[] | null; readonly entrypoint: readonly string[] | null }

/**
 * An entrypoint of the request drops the image's command; `[]` drops only the image's entrypoint; `[""]`, what
 * `docker run --entrypoint ""` sends, drops both.
 */
export function mergeCommand(
  request: Pick<ContainerRequest, 'cmd' | 'entrypoint'>,
  image: Pick<ImageConfig, 'Cmd' | 'Entrypoint'>,
): Command {
  let cmd = request.cmd ?? []
  let entrypoint = request.entrypoint
  if (!entrypoint?.length) {
    if (cmd.length === 0) cmd = image.Cmd ?? []
    entrypoint ??= image.Entrypoint ?? []
  }
  if (entrypoint.length === 1 && entrypoint[0] === '') entrypoint = []
  if (cmd.length + entrypoint.length === 0) throw invalid('no_command', 'No command specified')
  return {
    cmd: cmd.length > 0 ? cmd : null,
    entrypoint: entrypoint.length > 0 ? entrypoint : null,
  }
}

/** The request's first, then those of the image that it does not name: the order `docker inspect` shows. */
export function mergeEnv(request: readonly string[], image: readonly string[]): readonly string[] {
  const named = new Set(request.map(keyOf))
  return [...request, ...image.filter((entry) => !named.has(keyOf(entry)))]
}

/** Later entries win in the place of the first; one without `=` takes the variable away. */
export function overlayEnv(...lists: readonly (readonly string[])[]): readonly string[] {
  const merged = new Map<string, string>()
  for (const entry of lists.flat()) {
    if (entry.includes('=')) merged.set(keyOf(entry), entry)
    else merged.delete(entry)
  }
  return [...merged.values()]
}

function keyOf(entry: string): string {
  const end = entry.indexOf('=')
  return end < 0 ? entry : entry.slice(0, end)
}

const defaultShell = ['/bin/sh', '-c']

/** Field by field: what the request does not say the image says. */
export function mergeHealthCheck(
  request: HealthCheckRequest | undefined,
  { Healthcheck: image, Shell: shell }: Pick<ImageConfig, 'Healthcheck' | 'Shell'>,
): HealthCheck | undefined {
  if (!request && !image) return undefined
  return {
    test: request?.test.length ? request.test : (image?.Test ?? []),
    intervalNs: request?.intervalNs || image?.Interval || 0,
    timeoutNs: request?.timeoutNs || image?.Timeout || 0,
    startPeriodNs: request?.startPeriodNs || image?.StartPeriod || 0,
    startIntervalNs: request?.startIntervalNs || image?.StartInterval || 0,
    retries: request?.retries || image?.Retries || 0,
    shell: shell?.length ? shell : defaultShell,
  }
}
