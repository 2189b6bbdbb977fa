/**
 * One node's containers: what a container is made of, the life of its process, its output and its execs. It is given
 * sandboxes, networks, images and a store, and knows them by their ports only.
 */
import { mkdir } from 'node:fs/promises'
import { within } from '../lib/deadline.ts'
import { invalid } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { secondMs } from '../lib/units.ts'
import { type Clock, createClock } from './clock.ts'
import { type Containers, createContainers } from './containers.ts'
import { Background, type EngineContext } from './context.ts'
import { drainEngine } from './drain.ts'
import { type EventFilter, Events, type NewEvent } from './events.ts'
import { type EngineInfo, engineIdOf, engineInfo } from './info.ts'
import type { EngineEvent } from './model.ts'
import { createNetworks, type Networks } from './networks/networks.ts'
import { ContainerOwner } from './owner.ts'
import type { ImageStore } from './ports/images.ts'
import type { NetworkProvider } from './ports/network.ts'
import type { SandboxProvider, SandboxSize } from './ports/sandbox.ts'
import type { ContainerStore, EventStore } from './ports/store.ts'
import type { VolumeProvider } from './ports/volumes.ts'
import { recoverEngine } from './recover.ts'
import { Registry } from './registry.ts'
import { VolumeKeeper } from './volumes/keeper.ts'
import { createVolumes, type Volumes } from './volumes/volumes.ts'

export interface EngineOptions {
  readonly sandboxes: SandboxProvider
  readonly networks: NetworkProvider
  readonly images: ImageStore
  readonly volumes: VolumeProvider
  readonly containers: ContainerStore
  readonly events: EventStore
  /** Each container has a directory below it, with its writable disk and its logs. */
  readonly directory: string
  readonly sizes: readonly SandboxSize[]
  readonly defaultSize: string
  readonly log: Log
  readonly clock?: Clock
}

export interface Engine {
  readonly containers: Containers
  readonly volumes: Volumes
  readonly networks: Networks
  readonly events: {
    subscribe(scope: { readonly project: string }, filter: EventFilter): AsyncIterable<EngineEvent>
  }
  readonly system: { info(scope: { readonly project: string }): Promise<EngineInfo> }
  /** Tells of something that happened elsewhere: to an image, a network. */
  publish(event: NewEvent): void
  /** To be called once, before anything else is asked: takes up what an earlier daemon left. */
  recover(): Promise<void>
  /** Stops all containers; policies start them again with the next daemon. */
  drain(): Promise<void>
  /** Containers run on. Whatever was answered for is finished. */
  close(): Promise<void>
}

/** Sandboxes that do not end by then are swept by the next daemon. */
const closeDeadlineMs = 30 * secondMs

export async function createEngine(options: EngineOptions): Promise<Engine> {
  if (!options.sizes.some(({ name }) => name === options.defaultSize)) {
    throw invalid('bad_default_size', `the default size ${options.defaultSize} is not one of the sizes`)
  }
  await mkdir(options.directory, { recursive: true, mode: 0o711 })
  const clock = options.clock ?? createClock()
  const { log } = options
  const events = new Events(options.events, clock, log)
  const context: EngineContext = {
    options,
    clock,
    log,
    events,
    volumes: new VolumeKeeper(options.volumes, events, log),
    registry: new Registry(),
    background: new Background(log),
    leaving: new Background(log),
    isClosing: false,
  }
  const engineId = await engineIdOf(options.directory)
  for (const stored of await options.containers.load()) {
    context.registry.reserveName(stored.project, stored.name, stored.id)
    context.registry.add(new ContainerOwner(context, stored))
    context.volumes.refer(
      stored.id,
      stored.spec.mounts.map(({ volume }) => volume),
    )
  }
  return {
    containers: createContainers(context),
    volumes: createVolumes(context),
    networks: createNetworks(context),
    events: { subscribe: ({ project }, filter) => context.events.subscribe(project, filter) },
    system: { info: () => engineInfo(context, engineId) },
    publish: (event) => context.events.publish(event),
    recover: () => recoverEngine(context),
    drain: () => drainEngine(context),
    close: () => closeEngine(context),
  }
}

async function closeEngine(context: EngineContext): Promise<void> {
  context.isClosing = true
  const owners = context.registry.all()
  for (const owner of owners) {
    owner.cancelRestart()
    const { health } = owner.run ?? {}
    if (health) context.background.add(health.stop())
    if (owner.opened) context.background.add(owner.opened.close({ now: false }))
  }
  await within(context.background.settled(), closeDeadlineMs, 'the work in the background').catch((error) => {
    context.log.warn({ error: String(error) }, 'closing without waiting any longer')
  })
  await Promise.all(owners.map((owner) => owner.queue.idle()))
  await Promise.all(owners.map((owner) => owner.log.endRun()))
  await context.events.flush()
}
