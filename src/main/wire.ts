/** Builds the cloud from its parts, right to left, and undoes what was built when a part fails. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { guestArtifacts } from '../../scripts/setup/artifacts.mjs'
import { createDockerApi } from '../api/server.ts'
import { createBuilder } from '../build/builder.ts'
import { createEngine } from '../engine/engine.ts'
import { createImages } from '../images/images.ts'
import { unavailable } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Rollback } from '../lib/rollback.ts'
import { secondMs } from '../lib/units.ts'
import { createBuiltinNetworks } from '../networks/builtin/networks.ts'
import { createBuildRecords } from '../store/builds.ts'
import { createContainerStore } from '../store/containers.ts'
import { defaultProject, openStore } from '../store/database.ts'
import { createEventStore } from '../store/events.ts'
import { createImageRecords } from '../store/images.ts'
import { createNetworkRecords } from '../store/networks.ts'
import { createVolumeRecords } from '../store/volumes.ts'
import { createSandboxProvider } from '../vm/provider.ts'
import { createBuiltinVolumes } from '../volumes/builtin/volumes.ts'
import type { Config } from './config.ts'
import { checkOpenFiles, connectionsFor, openFilesMax } from './open-files.ts'
import { readTls } from './tls.ts'

export interface Cloud {
  readonly accelerator: 'kvm' | 'tcg'
  readonly hypervisor: string
  /** Stops serving; containers run on, or are stopped first. */
  close(options: { readonly stopContainers: boolean }): Promise<void>
}

export async function wire(config: Config, log: Log): Promise<Cloud> {
  checkOpenFiles(openFilesMax())
  await using undo = new Rollback()
  const tls = config.tls && readTls(config.tls, log)
  const artifacts = guestArtifacts()
  for (const path of Object.values(artifacts)) {
    if (!existsSync(path))
      throw unavailable('not_set_up', `${path} is not there; run \`node scripts/setup.mjs\`, which builds it`)
  }
  for (const directory of [config.stateDir, config.runtimeDir])
    mkdirSync(directory, { recursive: true, mode: 0o711 })

  const store = await openStore(join(config.stateDir, 'state.sqlite'), {
    log,
    backupEveryMs: config.backupSeconds * secondMs,
  })
  undo.add(() => store.close())
  const { database } = store
  const networks = await createBuiltinNetworks({
    records: createNetworkRecords(database),
    subnet: config.subnet,
    namePrefix: config.networkPrefix,
    resolverSocket: join(config.runtimeDir, 'resolver.sock'),
    stateDir: config.stateDir,
    log,
  })
  undo.add(() => networks.close())
  const sandboxes = await createSandboxProvider({
    ...artifacts,
    runtimeDir: config.runtimeDir,
    templateDir: config.templateDir,
    stateDir: config.stateDir,
    accelerator: config.accelerator,
    cgroupParent: `hummingbird-${config.networkPrefix}`,
    nics: networks,
    rootDiskBytes: config.rootDiskBytes,
    log,
  })
  undo.add(() => sandboxes.close())
  const images = await createImages({
    directory: join(config.stateDir, 'images'),
    records: createImageRecords(database),
    insecureRegistries: config.insecureRegistries,
    // An image event before the engine is there has nobody to tell.
    events: (project, action, id, attributes) =>
      engine.publish({ project, type: 'image', action, actor: { id, attributes } }),
    log,
  })
  const volumes = await createBuiltinVolumes({
    records: createVolumeRecords(database),
    directory: join(config.stateDir, 'volumes'),
    sizeBytes: config.volumeBytes,
    sizeBytesMax: config.volumeBytesMax,
    log,
  })
  const engine = await createEngine({
    volumes,
    sandboxes,
    networks,
    images,
    containers: createContainerStore(database),
    events: createEventStore(database),
    directory: join(config.stateDir, 'containers'),
    sizes: config.sizes,
    defaultSize: config.defaultSize,
    log,
  })
  undo.add(() => engine.close())
  await engine.recover()
  const builds = await createBuilder({
    images,
    containers: engine.containers,
    records: createBuildRecords(database),
    directory: join(config.stateDir, 'builds'),
    log,
  })
  const network = networks.defaultNetwork(defaultProject).id
  const size = config.sizes.find(({ name }) => name === config.defaultSize)!
  sandboxes.fill([{ size, network, count: config.poolSize }])

  const api = createDockerApi({
    backends: {
      containers: engine.containers,
      images,
      builds,
      events: engine.events,
      volumes: engine.volumes,
      networks: engine.networks,
      system: engine.system,
    },
    scopeOf: () => ({ project: defaultProject }),
    limits: { connectionsMax: connectionsFor(openFilesMax()) },
    log,
  })
  undo.add(() => api.close())
  mkdirSync(dirname(config.socket), { recursive: true, mode: 0o755 })
  await api.listen({ unix: config.socket, mode: 0o660 })
  if (config.tcp) await api.listen({ ...config.tcp, ...(tls ? { tls } : {}) })
  undo.commit()

  return {
    accelerator: sandboxes.accelerator,
    hypervisor: sandboxes.version,
    async close({ stopContainers }) {
      await api.close()
      await builds.close()
      if (stopContainers) await engine.drain()
      await engine.close()
      await sandboxes.close()
      await networks.close()
      await store.close()
    },
  }
}
