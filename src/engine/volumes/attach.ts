/** The volumes of a container's sandbox: attached before it is claimed, let go when it has ended. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { newId } from '../../lib/ids.ts'
import { MiB, secondMs } from '../../lib/units.ts'
import type { EngineContext } from '../context.ts'
import { sizeNamed } from '../create/sizes.ts'
import type { ContainerMount } from '../model.ts'
import type { SandboxVolume } from '../ports/sandbox.ts'
import type { StoredContainer } from '../ports/store.ts'
import type { Holder } from './attachments.ts'
import type { Prepare } from './keeper.ts'
import { type WantedVolume, wantsOf } from './wants.ts'

/** A guest has to write all that it holds of a volume before its sandbox may end. */
export const unmountDeadlineMs = 120 * secondMs

/**
 * For a claim, in the order that `guestMountsOf` counts on. `mounts`: all of the container's, or those of it that are needed. The
 * holder, which is the container when it is not said who, lets go by `context.volumes.detach`.
 */
export function attachVolumes(
  context: EngineContext,
  container: StoredContainer,
  mounts: readonly ContainerMount[],
  signal: AbortSignal,
  holder: Holder = container,
): Promise<readonly SandboxVolume[]> {
  const prepare: Prepare = (volume, want, aborted) => prepareVolume(context, container, volume, want, aborted)
  return context.volumes.attach(container.project, holder, wantsOf(mounts), prepare, signal)
}

/** A sandbox without a process mounts the volume for writing, and unmounts it. */
async function prepareVolume(
  { options }: EngineContext,
  { project, spec }: StoredContainer,
  volume: SandboxVolume,
  { copyUpAt }: WantedVolume,
  signal: AbortSignal,
): Promise<void> {
  const id = newId()
  // One that a daemon leaves is swept with the directories of containers that do not exist.
  const directory = join(options.directory, id)
  await mkdir(directory, { mode: 0o711 })
  try {
    const image = await options.images.blockImage(spec.imageId)
    const sandbox = await options.sandboxes.claim(
      {
        id,
        size: sizeNamed(options.sizes, options.defaultSize),
        network: options.networks.defaultNetwork(project).id,
        image,
        scratch: { path: join(directory, 'scratch.img'), fresh: true },
        volumes: [volume],
      },
      { signal },
    )
    try {
      await sandbox.configure({ hostname: 'volume', interfaces: [], sysctls: {} })
      const { disk } = sandbox.handle.volumes![0]!
      await sandbox.createContainer({
        ...bareContainer,
        id,
        mounts: [
          {
            disk,
            sourcePath: '/_data',
            path: copyUpAt ?? '/volume',
            readOnly: false,
            copyUp: copyUpAt !== undefined,
          },
        ],
      })
      await sandbox.shutdown({ deadlineMs: unmountDeadlineMs })
    } finally {
      await sandbox.kill()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const bareContainer = {
  hostname: 'volume',
  domainname: '',
  readonlyRoot: false,
  privileged: false,
  files: [],
  tmpfs: [],
  maskedPaths: [],
  readonlyPaths: [],
  shmBytes: MiB,
  limits: { memoryBytes: 0, cpuQuotaUs: 0, cpuPeriodUs: 0, cpuWeight: 0, pids: 0 },
  sysctls: {},
} as const
