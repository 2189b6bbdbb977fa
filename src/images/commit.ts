/** `docker commit`: an image of a container, its configuration what was asked for over what the container runs with. */
import type { CommitRequest, ImageConfig } from '../engine/ports/images.ts'
import { emptyConfig } from './config.ts'
import { deriveImage, parentOf } from './derive.ts'
import { applyChanges } from './dockerfile/changes.ts'
import { newName } from './import.ts'
import type { Parts } from './parts.ts'
import { familiarTag } from './reference.ts'

export async function commitImage(
  parts: Parts,
  project: string,
  request: CommitRequest,
  options: { readonly signal: AbortSignal },
): Promise<{ id: string; name: string }> {
  const config = committedConfig(request)
  const name = request.reference === undefined ? undefined : newName(request.reference)
  const parent = await parentOf(parts, request.parent)
  const { layer, author, comment, createdBy } = request
  const derived = { parent, config, layer, author, comment, createdBy, ...(name ? { name } : {}) }
  const { id } = await deriveImage(parts, project, derived, options)
  return { id, name: name ? familiarTag(name.repository, name.suffix) : '' }
}

/** As dockerd: the changes go onto what was asked for, or else onto the container's; the container says what is not said there. */
export function committedConfig({
  container,
  asked,
  changes,
}: Pick<CommitRequest, 'container' | 'asked' | 'changes'>): ImageConfig {
  const base = Object.keys(asked).length > 0 ? { ...emptyConfig, ...asked } : container
  const config = applyChanges(base, changes)
  const named = new Set(config.Env.map(nameOf))
  // An entrypoint drops the command that was not said with it.
  const command = config.Entrypoint?.length
    ? {}
    : {
        Entrypoint: config.Entrypoint ?? container.Entrypoint,
        Cmd: config.Cmd?.length ? config.Cmd : container.Cmd,
      }
  return {
    ...config,
    ...command,
    User: config.User || container.User,
    ExposedPorts: { ...container.ExposedPorts, ...config.ExposedPorts },
    Env: [...config.Env, ...container.Env.filter((entry) => !named.has(nameOf(entry)))],
    Volumes: { ...container.Volumes, ...config.Volumes },
    WorkingDir: config.WorkingDir || container.WorkingDir,
    Labels: { ...container.Labels, ...config.Labels },
    StopSignal: config.StopSignal || container.StopSignal,
    Healthcheck: mergedHealthcheck(config.Healthcheck, container.Healthcheck),
  }
}

type Healthcheck = ImageConfig['Healthcheck']

function mergedHealthcheck(config: Healthcheck, container: Healthcheck): Healthcheck {
  if (!config || !container) return config ?? container
  const said = Object.entries(config).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value))
  return { ...container, ...Object.fromEntries(said) }
}

const nameOf = (entry: string): string => entry.split('=', 1)[0]!
